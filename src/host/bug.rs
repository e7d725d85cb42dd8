//! Seeded defects, to prove that the simulator finds them.

/// A defect of the run loop that can be switched on for a thread, only where the feature `testing` is compiled in.
///
/// None is noticed by the ordinary tests, which look at one run from its beginning to its end: it takes the simulator to find them, or a
/// test of what one run leaves to the next. `.ci/survive` proves that, and has the list of what is no ordinary test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(not(feature = "testing"), allow(unreachable_pub))]
#[non_exhaustive]
pub enum Bug {
    /// The checkpoint moves before the destinations commit.
    CheckpointBeforeCommit,
    /// A group that is only accepted moves the checkpoint.
    AcceptedIsDurable,
    /// The checkpoint moves when the first destination is durable.
    FirstDestinationDecides,
    /// A durable group moves the checkpoint to the newest cursor instead of its own.
    NewestCursorIsSaved,
    /// The checkpoint moves before the rejects are durable.
    CheckpointBeforeRejects,
    /// Rejects are made durable at the end only.
    RejectsAtTheEndOnly,
    /// On resume the rejects of groups that come again are kept.
    RejectsDoubled,
    /// The border of a group is not saved before it is committed.
    NoIntent,
    /// A saved border is ignored on resume.
    IntentIgnored,
    /// A group that comes again does not end at its old border.
    ReplayRunsOn,
    /// The numbers of groups begin anew with each run.
    GroupsCountAnew,
    /// The checkpoint that a destination keeps is ignored.
    DestinationCheckpointIgnored,
    /// A destination that has a group already is written to again while others catch up.
    WrittenTwice,
    /// The cursor passes rows that wait for a self lookup.
    WaitingRowsPassed,
    /// The cursor passes rows whose keys must be remembered to tell duplicates.
    DuplicatesForgotten,
    /// A group is closed where the source gave no cursor.
    ClosedWithoutCursor,
    /// The source hears of a cursor before the checkpoint has it.
    AcknowledgedEarly,
    /// Counts begin anew with each run.
    CountsAnew,
    /// A run that has read everything does not say so.
    EndNotSaved,
    /// A conflict of the checkpoint is answered by writing over it.
    BlindCheckpoint,
    /// A run does not take the checkpoint over before it writes.
    NoClaim,
    /// A saved cursor is used for whatever the source is now.
    LineageIgnored,
    /// State that cannot be read is taken for none.
    CorruptIsAbsent,
    /// A write that failed is tried again.
    WriteTriedAgain,
    /// A commit that failed is passed over.
    CommitErrorIgnored,
    /// A run that saves its state forgets a link that waits if its record is there already, as it is when it comes again.
    PendingLinkLost,
    /// A plain insert of which nobody knows whether it was made is made again.
    PlainInsertTriedAgain,
    /// Neither attempts nor the budget end the retries.
    RetriesWithoutEnd,
    /// The time that an error asks to wait is not waited.
    RetryAfterIgnored,
    /// A call may take for ever.
    TimeoutIgnored,
    /// A read that goes on gives again what it gave behind its last cursor.
    ReadAnew,
    /// A writer does not recognise a batch that comes again.
    RepeatNotRecognised,
    /// A holder of a lease writes up to its last moment.
    NoLeaseMargin,
    /// A lease is not renewed.
    HeartbeatLost,
    /// Only the steps of a run look at the lease, not its writes.
    LeaseNotAskedBeforeWrites,
    /// Batches are read ahead whatever they take.
    NoMemoryBudget,
    /// A window begins above its lower bound: `>` for `>=`.
    OpenLowerBound,
    /// The overlap is not read again.
    OverlapIgnored,
    /// Records from the future move the watermark.
    FutureMovesWatermark,
    /// The watermark moves before the records below it are safe.
    WatermarkBeforeCommit,
    /// The watermark follows the last window, also downwards.
    WatermarkGoesBack,
    /// A run that goes on takes another window than the one that broke off.
    WindowAnew,
    /// A historical range moves the watermark.
    RangeMovesWatermark,
    /// Records without a value in the cursor field are dropped, whatever the policy.
    NullCursorLost,
    /// A record is known again by its key, whatever else is in it.
    KnownByKeyAlone,
    /// Filters apply to deletes of the source.
    DeletesFiltered,
    /// A link that waits for a record outlives that record.
    DeleteLeavesLink,
    /// A mirror deletes however many records are missing.
    MirrorUnguarded,
    /// A mirror deletes though records were rejected.
    MirrorPassesRejects,
    /// A mirror that goes on deletes what the broken run wrote.
    MirrorForgets,
    /// A scheduler writes a timetable whatever stands there by now.
    BlindTimetable,
    /// A run that is due is not marked as decided.
    InstantNotDecided,
    /// The index hears of a change behind the timetable.
    HintAfterTimetable,
    /// A run goes on though its scheduler counts as dead.
    RunnerOutlivesSession,
    /// A scheduler counts as dead as soon as somebody asks.
    DeadAtOnce,
    /// A run takes no place of its tenant and connection.
    SlotsIgnored,
    /// Nobody looks after runs of schedulers that died.
    DeathUnnoticed,
    /// A run that was stopped with its scheduler is not made again.
    DrainForgets,
    /// A run that somebody cancelled comes again like any other.
    CancelledComesAgain,
    /// Listeners hear of the end of a run when it is saved, and not before.
    ListenersToldLate,
}

impl Bug {
    /// Every defect.
    #[cfg(feature = "testing")]
    pub const ALL: [Bug; 60] = [
        Bug::CheckpointBeforeCommit,
        Bug::AcceptedIsDurable,
        Bug::FirstDestinationDecides,
        Bug::NewestCursorIsSaved,
        Bug::CheckpointBeforeRejects,
        Bug::RejectsAtTheEndOnly,
        Bug::RejectsDoubled,
        Bug::NoIntent,
        Bug::IntentIgnored,
        Bug::ReplayRunsOn,
        Bug::GroupsCountAnew,
        Bug::DestinationCheckpointIgnored,
        Bug::WrittenTwice,
        Bug::WaitingRowsPassed,
        Bug::DuplicatesForgotten,
        Bug::ClosedWithoutCursor,
        Bug::AcknowledgedEarly,
        Bug::CountsAnew,
        Bug::EndNotSaved,
        Bug::BlindCheckpoint,
        Bug::NoClaim,
        Bug::LineageIgnored,
        Bug::CorruptIsAbsent,
        Bug::WriteTriedAgain,
        Bug::CommitErrorIgnored,
        Bug::PendingLinkLost,
        Bug::PlainInsertTriedAgain,
        Bug::RetriesWithoutEnd,
        Bug::RetryAfterIgnored,
        Bug::TimeoutIgnored,
        Bug::ReadAnew,
        Bug::RepeatNotRecognised,
        Bug::NoLeaseMargin,
        Bug::HeartbeatLost,
        Bug::LeaseNotAskedBeforeWrites,
        Bug::NoMemoryBudget,
        Bug::OpenLowerBound,
        Bug::OverlapIgnored,
        Bug::FutureMovesWatermark,
        Bug::WatermarkBeforeCommit,
        Bug::WatermarkGoesBack,
        Bug::WindowAnew,
        Bug::RangeMovesWatermark,
        Bug::NullCursorLost,
        Bug::KnownByKeyAlone,
        Bug::DeletesFiltered,
        Bug::DeleteLeavesLink,
        Bug::MirrorUnguarded,
        Bug::MirrorPassesRejects,
        Bug::MirrorForgets,
        Bug::BlindTimetable,
        Bug::InstantNotDecided,
        Bug::HintAfterTimetable,
        Bug::RunnerOutlivesSession,
        Bug::DeadAtOnce,
        Bug::SlotsIgnored,
        Bug::DeathUnnoticed,
        Bug::DrainForgets,
        Bug::CancelledComesAgain,
        Bug::ListenersToldLate,
    ];

    /// Whether the defect is there.
    #[cfg(not(feature = "testing"))]
    #[inline(always)]
    pub(crate) fn is_on(self) -> bool {
        false
    }

    /// Whether the defect is there.
    #[cfg(feature = "testing")]
    pub(crate) fn is_on(self) -> bool {
        SWITCH.get() == Some(self)
    }

    /// Switches one defect on for this thread, or all off. At first that is on which the variable `SYNCLINE_BUG` of the
    /// environment names, so that ordinary tests can be run with a defect.
    #[cfg(feature = "testing")]
    pub fn switch(to: Option<Bug>) {
        SWITCH.set(to);
    }
}

#[cfg(feature = "testing")]
thread_local! {
    static SWITCH: std::cell::Cell<Option<Bug>> = std::cell::Cell::new(named());
}

#[cfg(feature = "testing")]
fn named() -> Option<Bug> {
    let name = std::env::var("SYNCLINE_BUG").ok()?;
    Bug::ALL.into_iter().find(|bug| format!("{bug:?}") == name)
}
