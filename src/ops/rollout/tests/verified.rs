//! An abort is over once it was seen to be in force: whoever changes the traffic right after it is told of.

use super::super::brake::abort;
use super::counters::{Counters, With};
use super::*;
use crate::error::Kind;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_that_is_not_in_force_when_it_is_read_again_says_so_and_can_be_repeated() {
    for counts_at_once in [true, false] {
        let home = Home::new();
        let mut machine = Machine::new(&home, "first");
        let service = ServiceName::new("payments").unwrap();
        told_as_worse(&home, &machine, &service).await;
        let real = Arc::clone(&machine.platform);
        let mut meddled = With::new(Arc::clone(&real), Counters::Gone);
        meddled.is_meddled_with = true;
        meddled.counts_at_once = counts_at_once;
        machine.platform = Arc::new(meddled);
        let tools = machine.tools();
        let asked = abort(&tools, &service, Command::Abort, None, None, None).await;
        let error = asked.unwrap_err();
        assert_eq!(
            (error.id, error.kind),
            ("abort-not-verified", Kind::Unhealthy)
        );
        assert_eq!(
            error.message,
            "cannot abort the rollout of `payments`: the traffic was changed by somebody else right after"
        );
        let told = error.live.unwrap();
        assert_eq!(told.revision.as_deref(), Some("2"), "what serves now");
        let split = |live: crate::domain::live::Live| live.split.as_ref().and_then(Split::sole);
        let live = real.observe(&service).await.unwrap();
        assert_eq!(split(live), Some(RevisionNumber(2)));
        if !counts_at_once {
            // There the write said that it is over: what is left is a plain change of the traffic.
            continue;
        }
        machine.platform = real;
        let tools = machine.tools();
        let asked = abort(&tools, &service, Command::Abort, None, None, None).await;
        assert_eq!(asked.unwrap().unwrap().revision, RevisionNumber(1));
        let live = machine.platform.observe(&service).await.unwrap();
        assert_eq!(split(live), Some(RevisionNumber(1)));
    }
}
