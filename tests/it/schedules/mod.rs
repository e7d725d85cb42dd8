//! Schedules, as a host uses them.

mod croner;
mod refused;
mod rules;
mod stepper;
