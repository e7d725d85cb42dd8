//! What becomes of what is due. No I/O.

use chrono::{DateTime, SecondsFormat, Utc};

use super::due::due;
use super::timetable::{LATE, Stop, Timetable, Wait, Waiting};
use crate::host::Bug;
use crate::job::Trigger;
use crate::schedule::Schedule;
use crate::spec::{MissedRuns, WhileRunning};

impl Timetable {
    /// Decides what becomes of all that is due by now. What is due while a run goes on waits until that has [ended](Self::end): only then it is known
    /// whether somebody made it all the time. A policy that stops it must know at once.
    pub(super) fn decide(&mut self, now: DateTime<Utc>, schedule: &dyn Schedule, job: &str) {
        if self.running.is_none() || self.settings.while_running == WhileRunning::Cancel {
            self.settle(now, schedule, job);
        }
    }

    /// Decides though a run goes on.
    pub(super) fn settle(&mut self, now: DateTime<Utc>, schedule: &dyn Schedule, job: &str) {
        if !self.enabled {
            return;
        }
        self.undecide(now);
        let most = match self.settings.missed {
            MissedRuns::All { most } => usize::from(most.clamp(1, MissedRuns::MOST)),
            _ => 1,
        };
        let found = due(schedule, self.request(job), now, most);
        if let Some(through) = found.through.filter(|_| !Bug::InstantNotDecided.is_on()) {
            self.decided = self.decided.max(through);
        }
        if found.total == 0 {
            return;
        }
        let goes_on = self.running.is_some();
        let mut chosen: Vec<DateTime<Utc>> = found.latest.into();
        match self.settings.while_running {
            WhileRunning::Skip if goes_on => chosen.clear(),
            _ if goes_on => chosen = chosen.pop().into_iter().collect(),
            _ if self.settings.missed == MissedRuns::None => {
                chosen.retain(|at| now - at <= LATE);
            }
            _ => {}
        }
        let mut left_out = found.total - chosen.len() as u64;
        if !chosen.is_empty() {
            if let Some(running) = self.running.as_mut() {
                if self.settings.while_running == WhileRunning::Cancel {
                    running.stop = running.stop.or(Some(Stop::GivesWay));
                }
            }
            left_out += self.drop_replaced();
        }
        self.waiting.extend(chosen.into_iter().map(|due| Waiting {
            run: due.to_rfc3339_opts(SecondsFormat::Secs, true),
            due,
            trigger: Trigger::Schedule,
            behind: Vec::new(),
            actor: None,
            wait: Wait::until(due, due),
            begun: 0,
            failed: 0,
            died: 0,
        }));
        left_out += self.drop_oldest(most);
        match goes_on {
            true => self.skipped += left_out,
            false => self.missed += left_out,
        }
    }

    /// Takes back what somebody decided of a time that is far from having come: one of the two clocks is wrong. If it is this one, others decide again, and nothing begins
    /// twice.
    fn undecide(&mut self, now: DateTime<Utc>) {
        let decided = now.max(self.begun_through);
        if self.decided > decided + LATE {
            self.decided = decided;
            let has_come = |run: &Waiting| {
                run.trigger != Trigger::Schedule || run.begun > 0 || run.due <= decided
            };
            self.waiting.retain(has_come);
        }
        self.waiting.iter_mut().for_each(|run| run.wait.mend(now));
        self.pause.iter_mut().for_each(|pause| pause.mend(now));
    }

    /// Forgets runs of the schedule whose work the next one does: those that never began, and where each counts, only those that were due
    /// while the run went on that goes on still. Answers how many. One that has begun gives way only when another one [starts](Self::start): what is
    /// due is for a clock to say, and that may be taken back.
    fn drop_replaced(&mut self) -> u64 {
        let since = match (self.latest_counts(), &self.running) {
            (true, _) => DateTime::UNIX_EPOCH,
            (false, Some(running)) => running.since,
            (false, None) => return 0,
        };
        let before = self.waiting.len();
        let stays = |run: &Waiting| !run.is_new() || run.due <= since;
        self.waiting.retain(stays);
        (before - self.waiting.len()) as u64
    }

    /// Forgets the oldest runs of the schedule that never began, if there are more than this; answers how many.
    fn drop_oldest(&mut self, most: usize) -> u64 {
        let there = self.waiting.iter().filter(|run| run.is_new()).count();
        let over = there.saturating_sub(most);
        let mut left = over;
        // They stand in the order in which they were due.
        self.waiting.retain(|run| {
            let goes = left > 0 && run.is_new();
            left -= usize::from(goes);
            !goes
        });
        over as u64
    }
}

impl Waiting {
    /// Whether it is a run of the schedule that never began.
    fn is_new(&self) -> bool {
        self.trigger == Trigger::Schedule && self.begun == 0
    }
}
