//! Accounts in the API.

use async_graphql::{Context, Enum, InputObject, Object, Result};

use super::UserNode;
use super::groups::members;
use super::pages::{id_connection, page_of_ids};
use crate::context::{AsOf, Loaded, load, past};
use crate::gate;
use crate::ids::{PublicAccountId, PublicUserId};
use crate::lists::views;
use crate::mutation::{Answer, Payload, change, inputs, made, mutations, payload, request};
use crate::rows::{Window, rows};
use crate::scalars::Long;
use crate::texts::Text;
use application::groups;
use domain::access::account::{self, Account, Command};
use domain::access::belongs::Belongs;
use domain::access::permission::Permission::AccountsRead;

payload! {
    AccountPayload { account: AccountNode = Account }
}

id_connection!(AccountConnection, AccountEdge, AccountNode = Account);

#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "account::Status")]
pub enum AccountStatus {
    Open,
    /// Its members see nothing of it.
    Suspended,
    /// For good.
    Closed,
}

pub struct AccountNode(pub Loaded<Account>);

/// What several people buy and book under.
#[Object(name = "Account")]
impl AccountNode {
    #[graphql(flatten)]
    async fn aggregate(&self) -> &Loaded<Account> {
        &self.0
    }

    async fn name(&self) -> &str {
        &self.0.state().name
    }

    async fn status(&self) -> Option<AccountStatus> {
        self.0.state().status.map(AccountStatus::from)
    }

    /// Why it is suspended or closed.
    async fn reason(&self) -> Option<Text<'_>> {
        self.0.state().reason.as_deref().map(Text::from)
    }

    async fn member_count(&self) -> usize {
        self.0.state().members.len()
    }

    /// Its members as far as the caller may see users, by their ids, behind `afterId`.
    #[graphql(complexity = "first as usize * child_complexity")]
    async fn members(
        &self,
        context: &Context<'_>,
        #[graphql(default = 20, validator(minimum = 0, maximum = 100))] first: i32,
        after_id: Option<PublicUserId>,
    ) -> Result<Vec<UserNode>> {
        members(context, self.0.state().members.iter().copied(), first, after_id).await
    }
}

#[derive(InputObject)]
pub struct OpenAccountInput {
    pub name: String,
    pub idempotency_key: Option<String>,
    /// Does nothing, and says what it would do.
    #[graphql(default)]
    pub dry_run: bool,
}

inputs! {
    Account { account_id: PublicAccountId } |input| input.account_id.into();
    { expected_version: Option<Long>, idempotency_key: Option<String> };

    RenameAccountInput {
        name: String
    }
    AccountReasonInput {
        reason: String
    }
    AccountInput {}
    AccountMemberInput {
        user_id: PublicUserId
    }
}

mutations! { AccountCommands {
    fn rename_account(input: RenameAccountInput) -> AccountPayload =
        Command::Rename { name: input.name };

    fn suspend_account(input: AccountReasonInput) -> AccountPayload =
        Command::Suspend { reason: input.reason };

    fn reinstate_account(input: AccountInput) -> AccountPayload = Command::Reinstate {};

    /// Closes an account for good.
    fn close_account(input: AccountReasonInput) -> AccountPayload =
        Command::Close { reason: input.reason };

    /// The user is no member any more.
    fn dismiss_from_account(input: AccountMemberInput) -> AccountPayload =
        Command::Dismiss { user: input.user_id.into() };
} }

#[derive(Default)]
pub struct AccountUseCases;

#[Object]
impl AccountUseCases {
    async fn open_account(
        &self,
        context: &Context<'_>,
        input: OpenAccountInput,
    ) -> Answer<AccountPayload> {
        let request = request(context, input.idempotency_key, None)?.rehearsed(input.dry_run);
        made(groups::open(&request, input.name).await)
    }

    /// A user becomes a member, and sees what is the account's.
    async fn admit_to_account(
        &self,
        context: &Context<'_>,
        mut input: AccountMemberInput,
    ) -> Answer<AccountPayload> {
        let target = input.target(context).await?;
        let id = target.id;
        let admitted = groups::admit(&target.request(context)?, id, input.user_id.into()).await;
        Ok(Some(AccountPayload::new(id, change(admitted)?)))
    }
}

#[derive(Default)]
pub struct AccountQuery;

#[Object]
impl AccountQuery {
    /// An account, now or as it was.
    #[graphql(complexity = "past(&as_of) + child_complexity")]
    async fn account(
        &self,
        context: &Context<'_>,
        id: PublicAccountId,
        as_of: Option<AsOf>,
    ) -> Result<Option<AccountNode>> {
        Ok(load::<Account>(context, id.into(), as_of).await?.map(AccountNode))
    }

    /// The accounts, by their ids; with `userId` the open ones that this user is a member of.
    #[graphql(complexity = "rows(first, last) * child_complexity + 1")]
    async fn accounts(
        &self,
        context: &Context<'_>,
        user_id: Option<PublicUserId>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<AccountConnection> {
        let window = Window { first, after, last, before, at_least: None };
        let position = views(context).assignments.position();
        let all = views(context).assignments.rows();
        let mut ids: Vec<_> = match user_id {
            None => all.accounts().collect(),
            Some(user) => all.accounts_of(user.0).collect(),
        };
        let grants = gate::grants(context);
        ids.retain(|account| grants.may(AccountsRead, &Belongs::to_account(*account)));
        Ok(AccountConnection(page_of_ids(context, window, "accounts", ids, position)?))
    }
}
