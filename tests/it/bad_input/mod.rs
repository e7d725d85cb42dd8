//! Bad input: a clear typed error, or a reject, and nothing else is harmed. Each case asserts the kind, the place and the
//! advice.

mod files;
mod specs;
mod values;
