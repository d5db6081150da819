//! Every interleaving of registrations, address changes, crashes, late commands, late
//! confirmations and the passing of time, on a small world, with the promise checked at each step.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
};

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use uuid::Uuid;

use super::*;
use domain::{
    access::{email_reservation::EmailReservation, user::User},
    aggregate::{Aggregate, Context},
    testing::{sealed_email, sealed_name},
};

/// Which protection to leave out, to see that the check sees it missing.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Planted {
    Nothing,
    /// A lapsed reservation is superseded without asking its holder.
    HolderNotFenced,
    /// A release frees an address whatever was reserved since.
    ReleaseForgetsItsReservation,
    /// A user who is closed keeps others from the address all the same.
    ClosedKeepsItsAddress,
}

#[derive(Clone, Debug)]
struct World {
    planted: Planted,
    now: DateTime<Utc>,
    lapses_left: u8,
    addresses: BTreeMap<AggregateId, email_reservation::State>,
    users: BTreeMap<AggregateId, user::State>,
    /// What the follower of each user has yet to send.
    unsent: BTreeMap<AggregateId, VecDeque<(AggregateId, email_reservation::Command)>>,
    actors: Vec<Actor>,
    /// Commands of callers that died after sending, still on their way.
    late: Vec<Next>,
}

#[derive(Clone, Debug)]
enum Wish {
    Take(SealedEmail),
    /// The last request once more, with its key: its reservation is a later one.
    Again,
    Close,
}

#[derive(Clone, Debug)]
struct Actor {
    user: AggregateId,
    wishes: VecDeque<Wish>,
    begun: u8,
    /// What was wanted last by a request, and whether it was the first; asked again with its key.
    last: Option<(SealedEmail, bool)>,
    /// The key of the last request has its outcome: the user took the address.
    has_taken: bool,
    running: Option<Acquisition>,
    may_crash: bool,
}

fn wanted() -> SealedEmail {
    sealed_email("wanted@example.com")
}

fn other() -> SealedEmail {
    sealed_email("other@example.com")
}

fn user(number: u128) -> AggregateId {
    AggregateId(Uuid::from_u128(number))
}

fn actor(number: u128, wishes: Vec<SealedEmail>, may_crash: bool) -> Actor {
    let wishes: Vec<_> = wishes.into_iter().map(Wish::Take).collect();
    actor_that(number, &wishes, may_crash)
}

fn actor_that(number: u128, wishes: &[Wish], may_crash: bool) -> Actor {
    let wishes = wishes.iter().cloned().collect();
    let (user, last, has_taken) = (user(number), None, false);
    Actor { user, wishes, begun: 0, last, has_taken, running: None, may_crash }
}

impl World {
    fn new(planted: Planted, lapses_left: u8, actors: Vec<Actor>) -> Self {
        Self {
            planted,
            now: Utc.with_ymd_and_hms(2026, 3, 2, 9, 0, 0).single().expect("a valid time"),
            lapses_left,
            addresses: BTreeMap::new(),
            users: BTreeMap::new(),
            unsent: BTreeMap::new(),
            actors,
            late: vec![],
        }
    }

    fn context(&self, id: AggregateId) -> Context {
        Context {
            now: self.now,
            command_id: Uuid::nil(),
            principal: domain::principal::Principal::client("model"),
            aggregate_id: id,
            version: 0,
        }
    }

    fn ask_reservation(
        &mut self,
        id: AggregateId,
        command: &email_reservation::Command,
    ) -> Result<(), email_reservation::Refusal> {
        let mut command = command.clone();
        if self.planted == Planted::ReleaseForgetsItsReservation
            && let email_reservation::Command::Release { reservation, .. } = &mut command
        {
            *reservation = None;
        }
        let context = self.context(id);
        let state = self.addresses.entry(id).or_default();
        for event in EmailReservation::decide(state, &command, &context)? {
            EmailReservation::apply(state, &event);
        }
        Ok(())
    }

    fn ask_user(&mut self, id: AggregateId, command: &user::Command) -> Result<(), user::Refusal> {
        if self.planted == Planted::HolderNotFenced
            && matches!(command, user::Command::FenceReservation { .. })
        {
            return Ok(());
        }
        let context = self.context(id);
        let state = self.users.entry(id).or_default();
        if self.planted == Planted::ClosedKeepsItsAddress
            && let user::Command::FenceReservation { email, .. } = command
            && state.profile.as_ref().is_some_and(|profile| profile.email.index == *email)
        {
            return Err(user::Refusal::EmailInUse);
        }
        for event in User::decide(state, command, &context)? {
            User::apply(state, &event);
            self.unsent.entry(id).or_default().extend(react(id, &event));
        }
        Ok(())
    }

    fn ask(&mut self, next: &Next) -> Answer {
        match next {
            Next::AskReservation(id, command) => match self.ask_reservation(*id, command) {
                Ok(()) => Answer::Done,
                Err(refusal) => Answer::ReservationRefused(refusal),
            },
            Next::AskUser(id, command) => match self.ask_user(*id, command) {
                Ok(()) => Answer::Done,
                Err(refusal) => Answer::UserRefused(refusal),
            },
            Next::End(_) => unreachable!("an end asks nothing"),
        }
    }

    /// Runs the actor's next step; `false` if it has none.
    fn step(&mut self, index: usize) -> bool {
        let now = self.now;
        let actor = &mut self.actors[index];
        if actor.running.is_none() {
            let (email, registers) = match (actor.wishes.pop_front(), &actor.last) {
                (None, _) => return false,
                (Some(Wish::Close), _) => {
                    let (id, reason) = (actor.user, "asked".to_owned());
                    let _ = self.ask_user(id, &user::Command::Close { reason });
                    return true;
                }
                (Some(Wish::Take(email)), _) => {
                    actor.has_taken = false;
                    (email, actor.last.is_none())
                }
                (Some(Wish::Again), Some(last)) => last.clone(),
                (Some(Wish::Again), None) => return true,
            };
            actor.last = Some((email.clone(), registers));
            let reservation = now + TimeDelta::minutes(15) + TimeDelta::seconds(actor.begun.into());
            let (id, name) = (actor.user, sealed_name("Ada"));
            actor.running = Some(if registers {
                Acquisition::register(id, email, reservation, name, "en".into())
            } else {
                Acquisition::change(id, email, reservation)
            });
            actor.begun += 1;
        }
        let has_taken = actor.has_taken;
        let mut running = actor.running.take().expect("an acquisition runs");
        let next = running.next();
        let takes = matches!(
            next,
            Next::AskUser(_, user::Command::Register { .. } | user::Command::ChangeEmail { .. })
        );
        // The key gives the outcome that its command had.
        let answer = if takes && has_taken { Answer::Done } else { self.ask(&next) };
        self.actors[index].has_taken |= takes && answer == Answer::Done;
        running.answered(answer);
        if !matches!(running.next(), Next::End(_)) {
            self.actors[index].running = Some(running);
        }
        true
    }

    fn successors(&self) -> Vec<Self> {
        let mut worlds = vec![];
        let mut branch = |change: &dyn Fn(&mut Self) -> bool| {
            let mut world = self.clone();
            if change(&mut world) {
                worlds.push(world);
            }
        };
        for index in 0..self.actors.len() {
            branch(&|world| world.step(index));
            if self.actors[index].may_crash
                && let Some(running) = &self.actors[index].running
            {
                branch(&|world| {
                    world.actors[index].running = None;
                    world.actors[index].wishes.clear();
                    true
                });
                branch(&|world| {
                    world.actors[index].running = None;
                    world.actors[index].wishes.clear();
                    world.late.push(running.next());
                    true
                });
            }
        }
        for id in self.unsent.keys() {
            branch(&|world| {
                let Some((to, command)) = world.unsent.get_mut(id).and_then(VecDeque::pop_front)
                else {
                    return false;
                };
                // A refusal is final: the user gave the address up since.
                let _ = world.ask_reservation(to, &command);
                true
            });
        }
        for index in 0..self.late.len() {
            branch(&|world| {
                let command = world.late.remove(index);
                world.ask(&command);
                true
            });
        }
        if self.lapses_left > 0 {
            branch(&|world| {
                world.lapses_left -= 1;
                world.now += TimeDelta::hours(1);
                true
            });
        }
        worlds
    }

    fn owners(&self) -> usize {
        let has = |state: &&user::State| {
            state.profile.as_ref().is_some_and(|profile| {
                profile.status != user::Status::Closed && profile.email == wanted()
            })
        };
        self.users.values().filter(has).count()
    }

    /// Once everybody stopped and time passed: the address belongs to a user, or a newcomer gets it.
    fn is_settled_well(&self) -> bool {
        let mut world = self.clone();
        world.now += TimeDelta::hours(2);
        let owned = world.owners() == 1;
        let mut newcomer = Acquisition::register(
            user(99),
            wanted(),
            world.now + TimeDelta::minutes(15),
            sealed_name("New"),
            "en".into(),
        );
        for _ in 0..20 {
            match newcomer.next() {
                Next::End(End::Taken) => return !owned,
                Next::End(End::AddressRefused(email_reservation::Refusal::Taken)) => return owned,
                Next::End(_) => return false,
                next => {
                    let answer = world.ask(&next);
                    newcomer.answered(answer);
                }
            }
        }
        false
    }
}

struct Explored {
    states: usize,
    settled: usize,
    broken: Option<String>,
}

fn explore(start: World) -> Explored {
    let mut seen = HashSet::new();
    let mut open = vec![start];
    let mut settled = 0;
    while let Some(world) = open.pop() {
        let mut hasher = DefaultHasher::new();
        format!("{world:?}").hash(&mut hasher);
        if !seen.insert(hasher.finish()) {
            continue;
        }
        if world.owners() > 1 {
            return Explored {
                states: seen.len(),
                settled,
                broken: Some(format!("two owners: {world:#?}")),
            };
        }
        let successors = world.successors();
        if successors.is_empty() {
            settled += 1;
            if !world.is_settled_well() {
                return Explored {
                    states: seen.len(),
                    settled,
                    broken: Some(format!("stuck: {world:#?}")),
                };
            }
        }
        open.extend(successors);
    }
    Explored { states: seen.len(), settled, broken: None }
}

fn two_registrations(planted: Planted) -> World {
    World::new(planted, 2, vec![actor(1, vec![wanted()], true), actor(2, vec![wanted()], true)])
}

fn there_and_back(planted: Planted) -> World {
    World::new(
        planted,
        2,
        vec![actor(1, vec![wanted(), other(), wanted()], true), actor(2, vec![wanted()], true)],
    )
}

#[test]
fn two_registrations_of_one_address_never_both_succeed_and_always_settle() {
    let explored = explore(two_registrations(Planted::Nothing));
    assert_eq!(explored.broken, None);
    assert!(
        explored.states > 500 && explored.settled > 20,
        "{} states, {} settled",
        explored.states,
        explored.settled
    );
}

#[test]
fn an_address_left_and_taken_again_is_never_shared() {
    let explored = explore(there_and_back(Planted::Nothing));
    assert_eq!(explored.broken, None);
    assert!(
        explored.states > 5_000 && explored.settled > 50,
        "{} states, {} settled",
        explored.states,
        explored.settled
    );
}

/// A client that repeats its request, changes its address, closes, in every order; another wants the
/// address all the while.
fn lives(planted: Planted) -> impl Iterator<Item = World> {
    use Wish::{Again, Close, Take};
    let steps = [Again, Take(other()), Take(wanted()), Close];
    let mut lives = vec![vec![Take(wanted())]];
    for length in 2..=4 {
        let longer: Vec<_> = lives
            .iter()
            .filter(|life| life.len() == length - 1)
            .flat_map(|life| {
                steps.iter().map(|step| [&life[..], std::slice::from_ref(step)].concat())
            })
            .collect();
        lives.extend(longer);
    }
    lives.into_iter().map(move |life| {
        let others = [actor_that(1, &life, false), actor(2, vec![wanted()], false)];
        World::new(planted, 1, others.into())
    })
}

#[test]
fn no_order_of_requests_loses_an_address() {
    let mut settled = 0;
    for life in lives(Planted::Nothing) {
        let explored = explore(life);
        assert_eq!(explored.broken, None);
        settled += explored.settled;
    }
    assert!(settled > 1_000, "{settled} settled");
}

#[test]
fn the_check_sees_an_address_that_a_closed_user_keeps() {
    assert!(lives(Planted::ClosedKeepsItsAddress).any(|life| explore(life).broken.is_some()));
}

#[test]
fn the_check_sees_a_missing_fence() {
    assert!(explore(two_registrations(Planted::HolderNotFenced)).broken.is_some());
}

#[test]
fn the_check_sees_a_release_that_frees_too_much() {
    assert!(explore(there_and_back(Planted::ReleaseForgetsItsReservation)).broken.is_some());
}

#[test]
fn a_refused_registration_frees_the_address_at_once() {
    // given a locale that the user's rules refuse
    let mut world = World::new(Planted::Nothing, 0, vec![]);
    let reservation = world.now + TimeDelta::minutes(15);
    let mut first =
        Acquisition::register(user(1), wanted(), reservation, sealed_name("Ada"), "-".into());
    // when it runs to its end
    let end = loop {
        match first.next() {
            Next::End(end) => break end,
            next => {
                let answer = world.ask(&next);
                first.answered(answer);
            }
        }
    };
    // then the address is free without waiting
    assert!(matches!(end, End::UserRefused(user::Refusal::InvalidLocale)), "{end:?}");
    assert_eq!(world.addresses[&email_reservation_id(&wanted().index)].hold, None);
    // and a late repetition of the command registers nobody
    let late = user::Command::Register {
        email: wanted(),
        reservation,
        display_name: sealed_name("Ada"),
        locale: "en".into(),
    };
    assert_eq!(world.ask_user(user(1), &late), Err(user::Refusal::ReservationLapsed));
}

#[test]
fn closing_an_account_frees_its_address() {
    let event = user::Event::UserClosed { reason: "asked".into(), email: wanted().index };
    let command = email_reservation::Command::Release {
        address: wanted().index,
        holder: user(1),
        reservation: None,
    };
    assert_eq!(react(user(1), &event), [(email_reservation_id(&wanted().index), command)]);
}
