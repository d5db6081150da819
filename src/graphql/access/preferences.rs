//! Preferences in the API.

use async_graphql::{Context, Object, Result, SimpleObject};

use crate::context::{Loaded, load, take_values};
use crate::ids::PublicUserId;
use crate::mutation::{Answer, Payload, Target, change, inputs, payload};
use crate::scalars::Long;
use crate::texts::Text;
use application::groups;
use domain::access::preferences::{Command, Preferences};

payload! {
    PreferencesPayload { preferences: PreferencesNode = Preferences }
}

pub struct PreferencesNode(pub Loaded<Preferences>);

/// What a user prefers, for programs that show him things.
#[Object(name = "Preferences")]
impl PreferencesNode {
    #[graphql(flatten)]
    async fn aggregate(&self) -> &Loaded<Preferences> {
        &self.0
    }

    /// By name; at most 100.
    #[graphql(complexity = "20 * child_complexity + 1")]
    async fn values(&self, context: &Context<'_>) -> Result<Vec<PreferenceNode<'_>>> {
        let values = &self.0.state().values;
        take_values(context, values.len())?;
        let node = |(name, value): (&'_ String, &'_ String)| PreferenceNode {
            name: name.clone(),
            value: value.clone().into(),
        };
        Ok(values.iter().map(node).collect())
    }

    /// The value of one; null where it is not set.
    async fn value(&self, name: String) -> Option<Text<'_>> {
        self.0.state().values.get(&name).map(|value| value.as_str().into())
    }
}

#[derive(SimpleObject)]
#[graphql(name = "Preference")]
pub struct PreferenceNode<'a> {
    name: String,
    value: Text<'a>,
}

inputs! {
    Preferences { user_id: PublicUserId } |input| input.user_id.into();
    { expected_version: Option<Long>, idempotency_key: Option<String> };

    SetPreferenceInput {
        /// Visible ASCII.
        name: String,
        /// One line, which may be empty. It is not sealed: no place for what is personal.
        value: String
    }
    ClearPreferenceInput {
        name: String
    }
}

#[derive(Default)]
pub struct PreferenceUseCases;

#[Object]
impl PreferenceUseCases {
    async fn set_preference(
        &self,
        context: &Context<'_>,
        mut input: SetPreferenceInput,
    ) -> Answer<PreferencesPayload> {
        let target = input.target(context).await?;
        prefer(context, target, Command::Set { name: input.name, value: input.value }).await
    }

    async fn clear_preference(
        &self,
        context: &Context<'_>,
        mut input: ClearPreferenceInput,
    ) -> Answer<PreferencesPayload> {
        let target = input.target(context).await?;
        prefer(context, target, Command::Clear { name: input.name }).await
    }
}

async fn prefer(
    context: &Context<'_>,
    target: Target,
    command: Command,
) -> Answer<PreferencesPayload> {
    let id = target.id;
    let done = groups::prefer(&target.request(context)?, id, command).await;
    Ok(Some(PreferencesPayload::new(id, change(done)?)))
}

#[derive(Default)]
pub struct PreferenceQuery;

#[Object]
impl PreferenceQuery {
    /// What a user prefers in one matter; null where he never said it.
    async fn preference(
        &self,
        context: &Context<'_>,
        user_id: PublicUserId,
        name: String,
    ) -> Result<Option<Text<'static>>> {
        let found = load::<Preferences>(context, user_id.into(), None).await?;
        let value = found.and_then(|found| found.state().values.get(&name).cloned());
        Ok(value.map(Text::from))
    }

    /// What a user prefers; null where he never said anything.
    async fn preferences(
        &self,
        context: &Context<'_>,
        user_id: PublicUserId,
    ) -> Result<Option<PreferencesNode>> {
        Ok(load::<Preferences>(context, user_id.into(), None).await?.map(PreferencesNode))
    }
}
