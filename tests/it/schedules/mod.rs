//! Schedules, as a host uses them.

mod croner;
mod rules;
mod stepper;
