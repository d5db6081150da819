//! What one principal may do, and about whose things. Made once a request, and asked for each field
//! and each object; a question is a few comparisons.

use domain::access::belongs::Belongs;
use domain::access::permission::{Permission, Permissions};
use domain::access::shipped::{KNOWN, PUBLIC};
use domain::id::{AggregateId, LocationId};
use imbl::HashSet;
use uuid::Uuid;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grants {
    /// About all things.
    all: Permissions,
    /// About those of `subject`.
    own: Permissions,
    subject: Option<Uuid>,
    accounts: Vec<(AggregateId, Permissions)>,
    locations: Vec<(LocationId, Permissions)>,
    /// About those of the members, in sets that are shared with whoever keeps them.
    members: Vec<(Vec<HashSet<Uuid>>, Permissions)>,
    /// Nobody knows yet what else.
    is_pending: bool,
}

/// About whose things somebody has a permission, where a list is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    Everything,
    Only { people: Vec<Uuid>, accounts: Vec<Uuid>, locations: Vec<Uuid> },
}

impl Grants {
    /// May do everything.
    pub fn everything() -> Self {
        Self { all: Permissions::all(), ..Self::default() }
    }

    /// May do what anybody may.
    pub fn public() -> Self {
        Self { all: PUBLIC, ..Self::default() }
    }

    /// Of somebody who has not said who he is, and is the same one all the same.
    pub fn guest(subject: Uuid) -> Self {
        Self { subject: Some(subject), ..Self::public() }
    }

    /// May do what anybody may, as long as nobody knows what he was given.
    pub fn pending() -> Self {
        Self { is_pending: true, ..Self::public() }
    }

    /// Of somebody who is known, and may do nothing more yet.
    pub fn of(subject: Uuid) -> Self {
        Self { all: PUBLIC.and(KNOWN), subject: Some(subject), ..Self::default() }
    }

    pub fn add_all(&mut self, permissions: Permissions) {
        self.all = self.all.and(permissions);
    }

    pub fn add_own(&mut self, permissions: Permissions) {
        self.own = self.own.and(permissions);
    }

    pub fn add_account(&mut self, account: AggregateId, permissions: Permissions) {
        self.accounts.push((account, permissions));
    }

    pub fn add_location(&mut self, location: LocationId, permissions: Permissions) {
        self.locations.push((location, permissions));
    }

    pub fn add_members(&mut self, members: Vec<HashSet<Uuid>>, permissions: Permissions) {
        self.members.push((members, permissions));
    }

    /// Takes away whatever is not named: a token may be good for less than its owner may.
    #[must_use]
    pub fn limited_to(mut self, permissions: Permissions) -> Self {
        self.all = self.all.within(permissions);
        self.own = self.own.within(permissions);
        let parts = self.accounts.iter_mut().map(|(_, part)| part);
        let parts = parts.chain(self.locations.iter_mut().map(|(_, part)| part));
        for part in parts.chain(self.members.iter_mut().map(|(_, part)| part)) {
            *part = part.within(permissions);
        }
        self
    }

    /// Takes away what is named, about whatever.
    #[must_use]
    pub fn without(self, permissions: Permissions) -> Self {
        self.limited_to(Permissions::all().less(permissions))
    }

    /// What is not permitted here may be, as soon as it is known what he was given.
    pub fn is_pending(&self) -> bool {
        self.is_pending
    }

    /// Whose own things `own` is about.
    pub fn subject(&self) -> Option<Uuid> {
        self.subject
    }

    /// About all things, whoever they belong to.
    pub fn may_everywhere(&self, permission: Permission) -> bool {
        self.all.has(permission)
    }

    /// What is permitted about all things.
    pub fn everywhere(&self) -> Permissions {
        self.all
    }

    /// About some things at least.
    pub fn may_somewhere(&self, permission: Permission) -> bool {
        self.all.has(permission)
            || self.own.has(permission)
            || self.accounts.iter().any(|(_, part)| part.has(permission))
            || self.locations.iter().any(|(_, part)| part.has(permission))
            || self.members.iter().any(|(_, part)| part.has(permission))
    }

    /// About this thing.
    pub fn may(&self, permission: Permission, thing: &Belongs) -> bool {
        if self.all.has(permission) {
            return true;
        }
        if let Some(to) = thing.to {
            let is_own = self.subject == Some(to) && self.own.has(permission);
            let among = |(sets, part): &(Vec<HashSet<Uuid>>, Permissions)| {
                part.has(permission) && sets.iter().any(|set| set.contains(&to))
            };
            if is_own || self.members.iter().any(among) {
                return true;
            }
        }
        let of_account = |account| {
            self.accounts.iter().any(|(known, part)| *known == account && part.has(permission))
        };
        let at_location = |location| {
            self.locations.iter().any(|(known, part)| *known == location && part.has(permission))
        };
        thing.account.is_some_and(of_account) || thing.at.is_some_and(at_location)
    }

    /// About whose things, for a list of them.
    pub fn reach(&self, permission: Permission) -> Reach {
        if self.all.has(permission) {
            return Reach::Everything;
        }
        let own = self.subject.filter(|_| self.own.has(permission));
        let sets = self.members.iter().filter(|(_, part)| part.has(permission));
        let members = sets.flat_map(|(sets, _)| sets.iter().flat_map(|set| set.iter().copied()));
        let mut people: Vec<Uuid> = own.into_iter().chain(members).collect();
        people.sort_unstable();
        people.dedup();
        let accounts = self.accounts.iter().filter(|(_, part)| part.has(permission));
        let locations = self.locations.iter().filter(|(_, part)| part.has(permission));
        Reach::Only {
            people,
            accounts: accounts.map(|(account, _)| account.0).collect(),
            locations: locations.map(|(location, _)| location.0).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Permission::{CatalogueRead, OrdersRead, OrdersWrite, StockWrite};

    const ME: Uuid = Uuid::from_u128(1);
    const FRIEND: Uuid = Uuid::from_u128(2);
    const STRANGER: Uuid = Uuid::from_u128(3);

    fn of(to: Uuid) -> Belongs {
        Belongs { to: Some(to), ..Belongs::NOBODY }
    }

    fn orders() -> Permissions {
        Permissions::of(&[OrdersRead, OrdersWrite])
    }

    #[test]
    fn what_is_own_is_ones_own_and_nobody_elses() {
        let mut grants = Grants::of(ME);
        assert!(!grants.may_somewhere(OrdersRead));
        grants.add_own(orders());
        assert!(grants.may_somewhere(OrdersRead) && !grants.may_everywhere(OrdersRead));
        assert!(grants.may(OrdersRead, &of(ME)));
        for thing in [of(STRANGER), Belongs::NOBODY, Belongs::to_account(AggregateId(ME))] {
            assert!(!grants.may(OrdersRead, &thing), "{thing:?}");
        }
        let (people, accounts, locations) = (vec![ME], vec![], vec![]);
        assert_eq!(grants.reach(OrdersRead), Reach::Only { people, accounts, locations });
    }

    #[test]
    fn scopes_lead_to_what_they_name() {
        let mut grants = Grants::of(ME);
        let (account, location) = (AggregateId(Uuid::from_u128(8)), LocationId(Uuid::from_u128(9)));
        grants.add_account(account, Permissions::of(&[OrdersRead]));
        grants.add_location(location, Permissions::of(&[StockWrite]));
        grants.add_members(vec![[FRIEND].into_iter().collect()], orders());
        assert!(grants.may(OrdersRead, &Belongs::to_account(account)));
        assert!(!grants.may(OrdersWrite, &Belongs::to_account(account)));
        assert!(grants.may(StockWrite, &Belongs::lying_at(location)));
        assert!(!grants.may(StockWrite, &Belongs::lying_at(LocationId(ME))));
        assert!(grants.may(OrdersWrite, &of(FRIEND)) && !grants.may(OrdersWrite, &of(ME)));
        let reach =
            Reach::Only { people: vec![FRIEND], accounts: vec![account.0], locations: vec![] };
        assert_eq!(grants.reach(OrdersRead), reach);
    }

    #[test]
    fn a_limit_takes_away_and_adds_nothing() {
        let mut grants = Grants::everything().limited_to(orders());
        assert!(grants.may_everywhere(OrdersRead) && !grants.may_everywhere(CatalogueRead));
        grants = Grants::public().limited_to(orders());
        assert!(!grants.may_somewhere(OrdersRead) && !grants.may_somewhere(CatalogueRead));
        let grants = Grants::everything().without(orders());
        assert!(!grants.may_somewhere(OrdersWrite) && grants.may_everywhere(CatalogueRead));
    }
}
