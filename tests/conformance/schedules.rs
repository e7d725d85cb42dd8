//! The own schedules.

use chrono::DateTime;
use syncline::conformance;
use syncline::schedule::CompiledSchedule;
use syncline::testing::conformance::ScheduleFixture;

/// A schedule, asked from a day before clocks are put back in Europe.
fn schedule(text: &str) -> ScheduleFixture {
    let schedule = CompiledSchedule::new(&text.parse().unwrap()).unwrap();
    ScheduleFixture::new(
        schedule,
        DateTime::from_timestamp(1_761_350_400, 0).unwrap(),
    )
}

conformance!(weekday_schedule: schedule, schedule("every weekday at 06:30, 02:30 Europe/Berlin"));
conformance!(wildcard_schedule: schedule, schedule(r#"cron "*/20 0-3 * * *" Europe/Berlin"#));
conformance!(schedule_with_an_end: schedule, schedule("every hour Europe/Berlin; until 2025-10-27; not 01:00-02:30"));
conformance!(late_schedule: schedule, schedule("every day at 02:30 or every 7 hours Europe/Berlin; jitter 2 hours"));
conformance!(schedule_after_runs: schedule, schedule("every 90 minutes after the end UTC"));
