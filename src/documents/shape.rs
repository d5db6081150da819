//! The shape that a result must have, and how one gets it: the keys in the order of the request, a
//! failed field null, and null carried up from where it may not be ("Handling Execution Errors").

use async_graphql::indexmap::IndexMap;
use async_graphql::{Name, PathSegment, ServerError, Value};

use crate::errors::refused;

/// The fields of an object, in order.
pub(crate) type Fields = Vec<Field>;

/// A key of the result.
#[derive(Debug)]
pub(crate) struct Field {
    pub key: Name,
    pub wrapping: Wrapping,
    pub below: Below,
}

/// Whether, and at which depth of lists, a value may be null.
#[derive(Debug)]
pub(crate) enum Wrapping {
    Named { may_be_null: bool },
    List { may_be_null: bool, item: Box<Wrapping> },
}

/// What stands below a key.
#[derive(Debug)]
pub(crate) enum Below {
    Leaf,
    Object(Fields),
    /// One of several objects of which the same is asked. The library does not say where they fail.
    Alike(Fields),
    /// A description of a type. Where its kind, which stands below the marker, is an interface, the
    /// library takes the interfaces that it does not have for a question that makes no sense.
    Type {
        marker: Name,
        fields: Fields,
        /// The keys of its interfaces.
        lists: Vec<Name>,
    },
    /// One of several objects. Which one stands below a key of ours, the marker.
    Either {
        marker: Name,
        objects: Vec<(Name, Fields)>,
    },
}

/// Brings the data of a response into shape.
pub(crate) fn complete(fields: &Fields, data: &mut Value, errors: &mut Vec<ServerError>) {
    let mut completion = Completion { errors };
    let root = match std::mem::take(data) {
        Value::Object(root) => root,
        // Every one of its fields failed.
        _ => IndexMap::new(),
    };
    if let Some(root) = completion.object(fields, root, None) {
        *data = Value::Object(root);
    }
}

/// Where a value stands in the result.
#[derive(Clone, Copy)]
struct At<'a> {
    outer: Option<&'a At<'a>>,
    here: Segment<'a>,
}

#[derive(Clone, Copy)]
enum Segment<'a> {
    Key(&'a str),
    Index(usize),
}

impl At<'_> {
    fn path(&self) -> Vec<PathSegment> {
        let mut path = self.outer.map(At::path).unwrap_or_default();
        path.push(match self.here {
            Segment::Key(key) => PathSegment::Field(key.to_owned()),
            Segment::Index(index) => PathSegment::Index(index),
        });
        path
    }
}

/// A value that may not be null and is.
struct Null;

struct Completion<'a> {
    errors: &'a mut Vec<ServerError>,
}

impl Completion<'_> {
    /// Nothing where one of its fields may not be null and is.
    fn object(
        &mut self,
        fields: &Fields,
        mut found: IndexMap<Name, Value>,
        outer: Option<&At<'_>>,
    ) -> Option<IndexMap<Name, Value>> {
        let is_in_shape = found.len() == fields.len()
            && fields.iter().zip(found.keys()).all(|(field, key)| field.key == *key);
        if is_in_shape {
            for (field, value) in fields.iter().zip(found.values_mut()) {
                self.field(field, value, outer).ok()?;
            }
            return Some(found);
        }
        let mut shaped = IndexMap::with_capacity(fields.len());
        for field in fields {
            let mut value = found.swap_remove(&field.key).unwrap_or_else(|| {
                self.locate(&At { outer, here: Segment::Key(&field.key) });
                Value::Null
            });
            self.field(field, &mut value, outer).ok()?;
            shaped.insert(field.key.clone(), value);
        }
        Some(shaped)
    }

    fn field(
        &mut self,
        field: &Field,
        value: &mut Value,
        outer: Option<&At<'_>>,
    ) -> Result<(), Null> {
        let at = At { outer, here: Segment::Key(&field.key) };
        self.value(&field.wrapping, &field.below, value, &at)
    }

    fn value(
        &mut self,
        wrapping: &Wrapping,
        below: &Below,
        value: &mut Value,
        at: &At<'_>,
    ) -> Result<(), Null> {
        let may_be_null = match wrapping {
            Wrapping::List { may_be_null, item } => {
                if let Value::List(items) = value
                    && self.items(item, below, items, at).is_err()
                {
                    *value = Value::Null;
                }
                *may_be_null
            }
            Wrapping::Named { may_be_null } => {
                self.below(below, value, at);
                *may_be_null
            }
        };
        if may_be_null || *value != Value::Null {
            return Ok(());
        }
        self.explain(at);
        Err(Null)
    }

    fn items(
        &mut self,
        wrapping: &Wrapping,
        below: &Below,
        items: &mut [Value],
        at: &At<'_>,
    ) -> Result<(), Null> {
        if matches!(below, Below::Leaf) && self.errors.is_empty() {
            return Ok(());
        }
        for (index, item) in items.iter_mut().enumerate() {
            let at = At { outer: Some(at), here: Segment::Index(index) };
            self.value(wrapping, below, item, &at)?;
        }
        Ok(())
    }

    fn below(&mut self, below: &Below, value: &mut Value, at: &At<'_>) {
        if matches!(below, Below::Leaf) {
            return;
        }
        let mut found = match std::mem::take(value) {
            Value::Object(found) => found,
            // An object of which every field failed comes as null; so does what is not there.
            _ if self.has_failed_below(below, at) => IndexMap::new(),
            _ => return,
        };
        let fields = match below {
            Below::Leaf => return,
            Below::Object(fields) | Below::Alike(fields) => Some(fields),
            Below::Type { marker, fields, lists } => {
                let kind = found.shift_remove(marker);
                if kind.is_some_and(|kind| kind == Value::Enum(Name::new("INTERFACE"))) {
                    for key in lists {
                        found.insert(key.clone(), Value::List(Vec::new()));
                    }
                }
                Some(fields)
            }
            Below::Either { marker, objects } => match found.shift_remove(marker) {
                Some(Value::String(object)) => {
                    objects.iter().find(|(name, _)| *name == *object).map(|(_, fields)| fields)
                }
                _ => None,
            },
        };
        if let Some(shaped) = fields.and_then(|fields| self.object(fields, found, Some(at))) {
            *value = Value::Object(shaped);
        }
    }

    fn has_failed_below(&self, below: &Below, at: &At<'_>) -> bool {
        if self.errors.is_empty() {
            return false;
        }
        if matches!(below, Below::Alike(_)) && self.errors.iter().any(|error| error.path.is_empty())
        {
            return true;
        }
        let path = at.path();
        self.errors
            .iter()
            .any(|error| error.path.len() > path.len() && error.path.starts_with(&path))
    }

    /// Gives an error that does not say where it belongs to what is missing and unexplained.
    fn locate(&mut self, at: &At<'_>) {
        if self.errors.iter().all(|error| !error.path.is_empty()) {
            return;
        }
        let path = at.path();
        if self.errors.iter().any(|error| error.path.starts_with(&path)) {
            return;
        }
        if let Some(error) = self.errors.iter_mut().find(|error| error.path.is_empty()) {
            error.path = path;
        }
    }

    /// Sees that there is an error for a null where none may be.
    fn explain(&mut self, at: &At<'_>) {
        let path = at.path();
        if self.errors.iter().any(|error| error.path.starts_with(&path)) {
            return;
        }
        let error = refused("FIELD_FAILED", "nothing was found where something must be");
        self.errors.push(ServerError { path, ..error });
    }
}
