//! The links of this node to the others, made when they are first needed, and the way from a shard to
//! the node that is taken to serve it.

use std::collections::HashMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use ::cluster::members::{Members, Roll};
use actors::elsewhere::{Peers, Sent, Wish};
use peers::link::{self, Link, Own};
use peers::wire::{self, News};
use persistence::journal::ShardId;
use persistence::members::Member;
use supervisors::whereabouts::Whereabouts;

/// See the module.
pub struct Links {
    members: Members,
    whereabouts: Whereabouts,
    own: Own,
    made: Mutex<HashMap<String, Made>>,
}

/// A link, and to which life of a node, where.
struct Made {
    incarnation: Uuid,
    address: String,
    link: Arc<Link>,
}

impl Links {
    pub fn new(members: Members, whereabouts: Whereabouts, own: Own) -> Self {
        Self { members, whereabouts, own, made: Mutex::default() }
    }

    /// The link to the node of this name, if there is one of it.
    pub fn to(&self, node: &str) -> Option<Arc<Link>> {
        let roll = self.members.roll();
        let member = roll.members.get(node)?;
        if node == self.own.credentials.name() {
            return None;
        }
        Some(self.to_member(member))
    }

    fn to_member(&self, member: &Member) -> Arc<Link> {
        let Member { node, incarnation, address, .. } = member;
        let mut made = self.made.lock();
        let is_its = |made: &&Made| made.incarnation == *incarnation && made.address == *address;
        if let Some(made) = made.get(node).filter(is_its) {
            return Arc::clone(&made.link);
        }
        let link = Arc::new(Link::to(node, address, self.own.clone()));
        let (incarnation, address) = (*incarnation, address.clone());
        made.insert(node.clone(), Made { incarnation, address, link: Arc::clone(&link) });
        link
    }

    /// The link to whoever is taken to serve a shard; to whoever is to have it, where nobody is known to, or
    /// cannot be reached.
    fn to_owner(&self, shard: ShardId) -> Option<Arc<Link>> {
        self.owner_of(shard).map(|(_, link)| link)
    }

    /// The same, with the name of that node.
    fn owner_of(&self, shard: ShardId) -> Option<(Arc<str>, Arc<Link>)> {
        let linked = |node: Arc<str>| self.to(&node).map(|link| (node, link));
        let owner = self.whereabouts.owner(shard).and_then(linked);
        if let Some(up) = owner.as_ref().filter(|(_, link)| link.is_up()) {
            return Some(up.clone());
        }
        let roll = self.members.roll();
        let placed = roll.placed.get(usize::from(shard)).cloned().flatten();
        placed.and_then(linked).or(owner)
    }

    /// Tells every other node that there is something to look at.
    pub fn tell_all(&self, news: News) {
        for made in self.made.lock().values() {
            made.link.tell(news);
        }
    }

    /// Has a link to each member and to nobody else, and tells them what is given up here, for as long as
    /// the node lives.
    pub async fn keep(self: Arc<Self>) {
        let (mut roll, mut releases) = (self.members.changes(), self.whereabouts.releases());
        let mut before: Arc<Roll> = Arc::default();
        loop {
            let now = Arc::clone(&roll.borrow_and_update());
            let own = self.own.credentials.name();
            let is_own = |node: &Option<Arc<str>>| node.as_deref() == Some(own);
            let mut placed = before.placed.iter().zip(&now.placed);
            if placed.any(|(before, now)| is_own(before) && !is_own(now)) {
                // Whoever is to have it next had better know before it is given up here.
                self.tell_all(News::Members);
            }
            before = Arc::clone(&now);
            self.made.lock().retain(|node, _| now.members.contains_key(node));
            for member in now.members.values().filter(|member| member.node != own) {
                self.to_member(member);
            }
            tokio::select! {
                changed = roll.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.whereabouts.changed();
                }
                _ = releases.changed() => self.tell_all(News::Released),
            }
        }
    }
}

impl Peers for Links {
    fn send(
        &self,
        shard: ShardId,
        wish: Wish,
        payload: Vec<u8>,
        until: Instant,
    ) -> BoxFuture<'_, Sent> {
        let link = self.to_owner(shard);
        async move {
            let Some(link) = link else { return Sent::NotThere };
            let wish = match wish {
                Wish::Command => wire::Wish::Command,
                Wish::Question => wire::Wish::Question,
                Wish::Questions => wire::Wish::Questions,
                Wish::Tail => wire::Wish::Tail,
                Wish::Errand => wire::Wish::Errand,
                Wish::Rehearsal => wire::Wish::Rehearsal,
            };
            match link.call(wish, payload, until).await {
                link::Sent::Answered(answer) => Sent::Answered(answer),
                link::Sent::NotHere(owner) => {
                    self.whereabouts.hinted(shard, owner);
                    Sent::NotThere
                }
                link::Sent::NotSent => Sent::NotThere,
                link::Sent::Busy => Sent::Busy,
                link::Sent::Unreadable => Sent::Unreadable,
                link::Sent::Lost => Sent::Lost,
            }
        }
        .boxed()
    }

    fn taken_to_serve(&self, shard: ShardId) -> Option<Arc<str>> {
        self.owner_of(shard).map(|(node, _)| node)
    }

    fn changes(&self) -> watch::Receiver<()> {
        self.whereabouts.changes()
    }

    fn is_to_be_here(&self, shard: ShardId) -> bool {
        let roll = self.members.roll();
        let placed = roll.placed.get(usize::from(shard)).and_then(Option::as_deref);
        placed == Some(self.own.credentials.name())
    }

    fn is_blind(&self) -> bool {
        self.members.is_blind()
    }
}
