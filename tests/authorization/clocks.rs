//! Clocks that are wrong, here or in another process.

use chrono::TimeDelta;
use syncline::Error;
use syncline::authorization::{AfterReject, Authorization, CredentialRequest, Grant, OAuth};

use super::server::World;

fn token(world: &World, oauth: &OAuth) -> Result<u64, Error> {
    let credential = oauth.credential(world.context(), CredentialRequest::new());
    world.run(credential).map(|found| found.generation())
}

/// A token that was got by a clock that was an hour ahead lasts too long, and nobody may get a new one for an hour: by that clock.
#[test]
fn who_got_a_token_by_a_wrong_clock_locks_nobody_out() {
    let world = World::new();
    world.clock.jump(TimeDelta::hours(1));
    let oauth = world.authorized();
    world.clock.jump(TimeDelta::hours(-1));
    // The server knows better when it ends.
    world.later(3_700);
    let oauths = [oauth, world.oauth(Grant::AuthorizationCode)];
    for oauth in &oauths {
        assert_eq!(token(&world, oauth).unwrap(), 1);
    }
    let credential = oauths[0].credential(world.context(), CredentialRequest::new());
    let credential = world.run(credential).unwrap();
    for oauth in &oauths {
        let after = world.run(oauth.rejected(world.context(), &credential));
        assert_eq!(after.unwrap(), AfterReject::TryAgain);
        assert_eq!(token(&world, oauth).unwrap(), 2);
    }
    assert_eq!(world.server.books().token_requests, 2);
}

/// A clock that is a little ahead changes nothing: a new token that is rejected is no reason for another.
#[test]
fn a_clock_that_is_a_little_off_leads_to_no_loop() {
    for (before, behind) in [(20, -20), (0, 20)] {
        let world = World::new();
        world.clock.jump(TimeDelta::seconds(before));
        let oauth = world.authorized();
        world.clock.jump(TimeDelta::seconds(behind));
        let credential = oauth.credential(world.context(), CredentialRequest::new());
        let credential = world.run(credential).unwrap();
        let after = world.run(oauth.rejected(world.context(), &credential));
        assert_eq!(after.unwrap(), AfterReject::GiveUp);
        assert_eq!(world.server.books().token_requests, 1);
    }
}

/// A token that is too old by a clock that was set on is refreshed; when the clock is right again, all goes on.
#[test]
fn a_clock_that_was_set_on_and_back_costs_one_refresh() {
    let world = World::new();
    let oauth = world.authorized();
    world.clock.jump(TimeDelta::days(400));
    assert_eq!(token(&world, &oauth).unwrap(), 2);
    world.clock.jump(TimeDelta::days(-400));
    for _ in 0..3 {
        assert_eq!(token(&world, &oauth).unwrap(), 2);
        world.later(600);
    }
    assert_eq!(world.server.books().token_requests, 2);
}
