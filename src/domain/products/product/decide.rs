//! What a product decides: which command is legal in which status, and what may be sold.

use super::{
    Command, DESCRIPTION_CHARACTERS_MAX, Event, FAMILY_CHARACTERS_MAX, ListPrice,
    NAME_CHARACTERS_MAX, PRICE_MINOR_MAX, PRICES_MAX, Refusal, SKU_CHARACTERS_MAX, State, Status,
    TRANSLATIONS_MAX, Translation, VARIANTS_MAX,
};
use crate::id::{PriceListId, VariantId};
use crate::language::{TAG_BYTES_MAX, canonical};
use crate::text::{InvalidText, TextRule, is_token};

const NAME: TextRule = TextRule::line("name", NAME_CHARACTERS_MAX);
const FAMILY: TextRule = TextRule::line("family", FAMILY_CHARACTERS_MAX);
const DESCRIPTION: TextRule = TextRule::prose("description", DESCRIPTION_CHARACTERS_MAX);

pub(super) fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refusal> {
    if let Command::Create { name, family, description } = command {
        return create(state, Description::read(name, family, description)?);
    }
    if !state.created {
        return Err(Refusal::NotFound);
    }
    if state.status == Status::Archived && !matches!(command, Command::Archive) {
        return Err(Refusal::IllegalTransition {
            status: state.status,
            command: command.name().into(),
        });
    }
    match command {
        Command::Create { .. } => Ok(Vec::new()),
        Command::Revise { name, family, description } => {
            revise(state, Description::read(name, family, description)?)
        }
        Command::Translate { language, name, description } => {
            translate(state, language, name, description)
        }
        Command::RemoveTranslation { language } => {
            let language = read_language(language)?;
            match state.translations.contains_key(&language) {
                true => Ok(vec![Event::TranslationRemoved { language }]),
                false => Ok(Vec::new()),
            }
        }
        Command::AddVariant { variant, sku, name } => add_variant(state, *variant, sku, name),
        Command::SetPrice { variant, list, price } => set_price(state, *variant, *list, *price),
        Command::RemovePrice { variant, list } => remove_price(state, *variant, *list),
        Command::SetTaxRate { rate } if *rate == state.tax_rate => Ok(Vec::new()),
        Command::SetTaxRate { rate } => {
            Ok(vec![Event::TaxRateChanged { from: state.tax_rate, to: *rate }])
        }
        Command::Publish => publish(state),
        Command::Unpublish if state.status == Status::Draft => Ok(Vec::new()),
        Command::Unpublish => Ok(vec![Event::ProductUnpublished {}]),
        Command::Archive if state.status == Status::Archived => Ok(Vec::new()),
        Command::Archive => Ok(vec![Event::ProductArchived {}]),
    }
}

impl Command {
    /// How refusals call it.
    fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Revise { .. } => "revise",
            Self::Translate { .. } | Self::RemoveTranslation { .. } => "change its translations",
            Self::AddVariant { .. } => "add variants",
            Self::SetPrice { .. } => "set prices",
            Self::RemovePrice { .. } => "remove prices",
            Self::SetTaxRate { .. } => "set its tax rate",
            Self::Publish => "publish",
            Self::Unpublish => "unpublish",
            Self::Archive => "archive",
        }
    }
}

/// How a product is described, read by the rules.
struct Description {
    name: String,
    family: String,
    description: String,
}

impl Description {
    fn read(name: &str, family: &str, description: &str) -> Result<Self, InvalidText> {
        Ok(Self {
            name: NAME.read(name)?,
            family: FAMILY.read(family)?,
            description: DESCRIPTION.read(description)?,
        })
    }

    fn is_of(&self, state: &State) -> bool {
        state.name == self.name
            && state.family == self.family
            && state.description == self.description
    }
}

fn create(state: &State, described: Description) -> Result<Vec<Event>, Refusal> {
    if state.created {
        return match described.is_of(state) {
            true => Ok(Vec::new()),
            false => Err(Refusal::AlreadyExists),
        };
    }
    let Description { name, family, description } = described;
    Ok(vec![Event::ProductCreated { name, family, description }])
}

fn revise(state: &State, described: Description) -> Result<Vec<Event>, Refusal> {
    if described.is_of(state) {
        return Ok(Vec::new());
    }
    let Description { name, family, description } = described;
    Ok(vec![Event::ProductRevised { name, family, description }])
}

fn read_language(text: &str) -> Result<String, Refusal> {
    canonical(text).ok_or(Refusal::InvalidLanguage { max: TAG_BYTES_MAX })
}

fn translate(
    state: &State,
    language: &str,
    name: &str,
    description: &str,
) -> Result<Vec<Event>, Refusal> {
    let language = read_language(language)?;
    let (name, description) = (NAME.read(name)?, DESCRIPTION.read(description)?);
    let translation = Translation { name, description };
    let before = state.translations.get(&language);
    if before == Some(&translation) {
        return Ok(Vec::new());
    }
    if before.is_none() && state.translations.len() >= TRANSLATIONS_MAX {
        return Err(Refusal::TooMany { max: TRANSLATIONS_MAX });
    }
    let Translation { name, description } = translation;
    Ok(vec![Event::ProductTranslated { language, name, description }])
}

fn add_variant(state: &State, id: VariantId, sku: &str, name: &str) -> Result<Vec<Event>, Refusal> {
    if !is_token(sku, SKU_CHARACTERS_MAX) {
        return Err(Refusal::InvalidSku { max: SKU_CHARACTERS_MAX });
    }
    let name = NAME.read(name)?;
    if let Some(variant) = state.variants.get(&id) {
        return match variant.sku == sku && variant.name == name {
            true => Ok(Vec::new()),
            false => Err(Refusal::VariantConflict),
        };
    }
    if state.variants.values().any(|variant| variant.sku == sku) {
        return Err(Refusal::SkuTaken { sku: sku.to_owned() });
    }
    if state.variants.len() >= VARIANTS_MAX {
        return Err(Refusal::TooMany { max: VARIANTS_MAX });
    }
    Ok(vec![Event::VariantAdded { variant: id, sku: sku.to_owned(), name }])
}

fn set_price(
    state: &State,
    id: VariantId,
    list: PriceListId,
    price: ListPrice,
) -> Result<Vec<Event>, Refusal> {
    if !(0..=PRICE_MINOR_MAX).contains(&price.amount.minor) {
        return Err(Refusal::InvalidPrice { max: PRICE_MINOR_MAX });
    }
    let variant = state.variants.get(&id).ok_or(Refusal::VariantNotFound)?;
    let from = variant.prices.get(&list).copied();
    if from == Some(price) {
        return Ok(Vec::new());
    }
    if from.is_none() && variant.prices.len() >= PRICES_MAX {
        return Err(Refusal::TooMany { max: PRICES_MAX });
    }
    Ok(vec![Event::PriceChanged { variant: id, list, from, to: price }])
}

fn remove_price(state: &State, id: VariantId, list: PriceListId) -> Result<Vec<Event>, Refusal> {
    let variant = state.variants.get(&id).ok_or(Refusal::VariantNotFound)?;
    let Some(from) = variant.prices.get(&list) else {
        return Ok(Vec::new());
    };
    if state.status == Status::Published && prices(state) == 1 {
        return Err(Refusal::LastPrice);
    }
    Ok(vec![Event::PriceRemoved { variant: id, list, from: *from }])
}

fn publish(state: &State) -> Result<Vec<Event>, Refusal> {
    match state.status {
        Status::Published => Ok(Vec::new()),
        _ if prices(state) == 0 => Err(Refusal::NothingToSell),
        _ => Ok(vec![Event::ProductPublished {}]),
    }
}

fn prices(state: &State) -> usize {
    state.variants.values().map(|variant| variant.prices.len()).sum()
}
