//! What to do about a run that failed.

/// It took too long.
pub(super) const TIMED_OUT: &str = "timed_out";
/// Records were refused.
pub(super) const REJECTED: &str = "rejected";
/// It did not do what is asked of it.
pub(super) const CRITERIA: &str = "criteria";

/// What a person can do, by the [word](crate::ErrorKind::word) of what went wrong.
pub(super) fn advice(cause: Option<&str>) -> &'static str {
    match cause {
        Some(REJECTED) => {
            "Download the rejects of the run: each has its reason. Correct them in the source, or the mapping, and send them through the job again."
        }
        Some(CRITERIA) => {
            "Look whether the source has what it should. If it has, change what the settings of the job ask of a run."
        }
        Some(TIMED_OUT) => {
            "Look at the steps of the run for what takes long, or give it more time in its settings. The next run goes on where this one was stopped."
        }
        Some(
            "reauthorization_required"
            | "insufficient_scope"
            | "other_organization"
            | "host_not_allowed"
            | "state_mismatch"
            | "bad_token_answer",
        ) => "Authorize the connection again, with an account that may read what the job reads.",
        Some("drifted") => "Look at what changed in the source. Adapt the job to it, or accept it.",
        Some("invalid" | "unsupported") => {
            "Correct the job, or its connection, as the reason says; then run it."
        }
        Some("not_found") => {
            "Look whether the file or object is there under this name, and whether the connection may see it."
        }
        Some("malformed") => {
            "Have the file analysed or checked: it is not in the format that the job reads."
        }
        Some("quota_spent" | "circuit_open" | "io" | "timeout") => {
            "Look whether the other system can be reached. If it can, run the job again: it goes on where it broke off."
        }
        Some("conflict") => "Nothing, if another run of the job goes on. Otherwise run it again.",
        Some("limit_exceeded") => {
            "Raise the limit that the reason names, or make what the job reads smaller."
        }
        Some("other_lineage" | "corrupt_state" | "newer_state") => {
            "Leave the job as it is and tell whoever runs this application: what was saved of it needs their care."
        }
        Some("contract") => "Tell whoever runs this application: this is a defect.",
        _ => "Look at the log of the run, and run the job again: it goes on where it broke off.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn there_is_advice_for_whatever_goes_wrong() {
        let default = advice(None);
        for kind in [
            ErrorKind::Invalid,
            ErrorKind::Drifted,
            ErrorKind::ReauthorizationRequired,
            ErrorKind::Io,
            ErrorKind::Timeout,
            ErrorKind::QuotaSpent,
            ErrorKind::NotFound,
            ErrorKind::CorruptState,
            ErrorKind::Contract,
            ErrorKind::Conflict,
            ErrorKind::LimitExceeded,
            ErrorKind::Malformed,
        ] {
            assert_ne!(advice(Some(kind.word())), default, "{kind:?}");
        }
    }
}
