//! What is written for every column: the columns of a schema met with the fields of a record.
//!
//! A derived schema and a given one go the same way. All differences are gathered before the
//! schema is refused.

use std::{collections::HashMap, ptr, sync::Arc};

use arrow_schema::{DataType, Fields};

use super::{
    convert::{self, Check, Fits},
    decimal::Decimal,
    schema::{self, Definition, Plain, Schema, Type},
};
use crate::shape::{Members, PlanError, Shape, join};

/// One difference between the columns and a given schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvroDifference {
    /// The column, or the field that has none: `a.b[]`.
    pub column: String,
    /// What differs, to be read behind the column's name.
    pub reason: String,
}

/// What is written for a record's fields, in their order.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) slots: Vec<Slot>,
}

#[derive(Debug)]
pub(super) enum Slot {
    /// The column of this place among its siblings.
    Column(usize, Node),
    /// The same in every row: a default.
    Constant(Arc<[u8]>),
}

/// What is written for a value.
#[derive(Debug)]
pub(super) struct Node {
    /// Before a value.
    pub(super) value: Tag,
    /// For a null; none if there must be no null.
    pub(super) null: Option<Tag>,
    pub(super) kind: Kind,
}

/// The number of a union's branch as it is written, or nothing where there is no union.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag {
    pub(super) bytes: [u8; 2],
    pub(super) len: u8,
}

impl Tag {
    pub(super) const NONE: Self = Self { bytes: [0; 2], len: 0 };

    fn branch(number: usize) -> Self {
        let mut bytes = Vec::with_capacity(2);
        super::varint::append(&mut bytes, number as i64);
        let len = bytes.len() as u8;
        bytes.resize(2, 0);
        Self { bytes: [bytes[0], bytes[1]], len }
    }
}

/// How a value is written.
#[derive(Debug)]
pub(super) enum Kind {
    Null,
    Boolean,
    /// An integer, or what is one inside, as it is.
    Integer,
    /// An integer that must be checked or changed.
    Checked(Check),
    Float,
    Double,
    Decimal(Decimal),
    /// Text or bytes, with their length.
    Bytes,
    /// Bytes alone.
    Fixed,
    /// Text that is one of these symbols.
    Enum(HashMap<Box<[u8]>, usize>),
    /// Text that is a UUID.
    Uuid,
    Array(Box<Node>),
    Map(Box<Node>),
    Record(Record),
}

/// How well a type takes a column; the best branch of a union is the one with the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// The type that would be derived.
    Own,
    /// A wider one.
    Wider,
    /// Not every value fits.
    Checked,
}

/// Plans rows of `fields`, whose checked tree is `members`, as the root record of `schema`.
pub(super) fn plan(
    schema: &Schema,
    fields: &Fields,
    members: &Members,
) -> Result<Record, PlanError> {
    let mut planner = Planner::new(schema);
    let (record, _) = planner.record(fields, members, schema.fields(schema.root));
    match planner.differences {
        differences if differences.is_empty() => Ok(record),
        differences => Err(PlanError::AvroSchemaMismatch { differences }),
    }
}

struct Planner<'a> {
    schema: &'a Schema,
    /// Where we are among the columns.
    path: String,
    differences: Vec<AvroDifference>,
    /// The best branches found so far, if any, for a part of the columns and a union: records that
    /// refer to one another would be tried anew on every level, twice as often on each.
    branches: HashMap<(*const Shape, *const Type), Option<usize>>,
}

impl<'a> Planner<'a> {
    fn new(schema: &'a Schema) -> Self {
        Self { schema, path: String::new(), differences: Vec::new(), branches: HashMap::new() }
    }

    fn differ(&mut self, reason: String) {
        self.differences.push(AvroDifference { column: self.path.clone(), reason });
    }

    fn below<T>(&mut self, path: String, plan: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.path, path);
        let planned = plan(self);
        self.path = outer;
        planned
    }

    /// A record fits as its worst field does.
    fn record(
        &mut self,
        columns: &Fields,
        members: &Members,
        fields: &[schema::Field],
    ) -> (Record, Fit) {
        let chosen = choose_columns(columns, fields);
        let mut slots = Vec::with_capacity(fields.len());
        let mut worst = Fit::Own;
        for (field, &column) in fields.iter().zip(&chosen) {
            let name = column.map_or(&field.name, |at| columns[at].name());
            let slot = self.below(join(&self.path, name), |planner| match column {
                Some(at) => planner
                    .node(columns[at].data_type(), &members.shapes[at], &field.of)
                    .map(|(node, fit)| (Slot::Column(at, node), fit)),
                None => planner.constant(field).map(|bytes| (Slot::Constant(bytes), Fit::Own)),
            });
            // Without it the plan is incomplete, but then there is a difference too.
            if let Some((slot, fit)) = slot {
                slots.push(slot);
                worst = worst.max(fit);
            }
        }
        let mut surplus = vec![true; columns.len()];
        chosen.iter().flatten().for_each(|at| surplus[*at] = false);
        for (column, surplus) in columns.iter().zip(surplus) {
            if surplus {
                self.below(join(&self.path, column.name()), |planner| {
                    planner.differ("has no field in the schema: leave it out".into());
                });
            }
        }
        (Record { slots }, worst)
    }

    /// What stands for a field that has no column.
    fn constant(&mut self, field: &schema::Field) -> Option<Arc<[u8]>> {
        match (&field.default_bytes, null_branch(&field.of)) {
            (Some(bytes), _) => Some(bytes.clone()),
            (None, Some(tag)) => Some(tag.bytes[..tag.len.into()].into()),
            (None, None) => {
                self.differ(
                    "is a field without a column, that has no default and takes no null".into(),
                );
                None
            }
        }
    }

    fn node(&mut self, of: &DataType, shape: &Shape, to: &Type) -> Option<(Node, Fit)> {
        if let (DataType::Dictionary(_, value), Shape::Dictionary(shape)) = (of, shape) {
            return self.node(value, shape, to);
        }
        let null = null_branch(to);
        if *of == DataType::Null && null.is_some() {
            return Some((Node { value: Tag::NONE, null, kind: Kind::Null }, Fit::Own));
        }
        let Type::Union(branches) = to else {
            let (kind, fit) = self.kind(of, shape, to)?;
            return Some((Node { value: Tag::NONE, null, kind }, fit));
        };
        let branch = self.branch(of, shape, branches, to)?;
        let (kind, fit) = self.kind(of, shape, &branches[branch])?;
        Some((Node { value: Tag::branch(branch), null, kind }, fit))
    }

    /// The branch that a column takes, or none after telling why.
    fn branch(
        &mut self,
        of: &DataType,
        shape: &Shape,
        branches: &[Type],
        union: &Type,
    ) -> Option<usize> {
        let taking = |branch: &&Type| !matches!(branch, Type::Plain(Plain::Null, _));
        if branches.iter().filter(taking).count() == 1 {
            // Its own differences say more than that no branch fits.
            return branches.iter().position(|branch| taking(&branch));
        }
        let key = (ptr::from_ref(shape), ptr::from_ref(union));
        let best = match self.branches.get(&key) {
            Some(best) => *best,
            None => {
                let best = self.best_branch(of, shape, branches);
                self.branches.insert(key, best);
                best
            }
        };
        if best.is_none() {
            let union = self.schema.describe(union);
            self.differ(format!("is {of}, which no branch of the schema's {union} takes"));
        }
        best
    }

    /// The first of the branches that fit best.
    fn best_branch(&mut self, of: &DataType, shape: &Shape, branches: &[Type]) -> Option<usize> {
        let mut best = None;
        let known = self.differences.len();
        for (at, branch) in branches.iter().enumerate() {
            let planned = self.kind(of, shape, branch);
            let fits = self.differences.len() == known;
            self.differences.truncate(known);
            if let Some((_, fit)) = planned.filter(|_| fits)
                && best.is_none_or(|(_, best)| fit < best)
            {
                best = Some((at, fit));
            }
            if fits && matches!(best, Some((_, Fit::Own))) {
                break;
            }
        }
        best.map(|(at, _)| at)
    }

    /// How a column becomes a type that is no union.
    fn kind(&mut self, of: &DataType, shape: &Shape, to: &Type) -> Option<(Kind, Fit)> {
        let named = match to {
            Type::Named(number) => Some(&self.schema.named[*number].definition),
            _ => None,
        };
        match (shape, of, to, named) {
            (Shape::Struct(members), DataType::Struct(columns), _, Some(definition)) => {
                match definition {
                    Definition::Record(fields) => {
                        let (record, fit) = self.record(columns, members, fields);
                        Some((Kind::Record(record), fit))
                    }
                    Definition::Enum(_) | Definition::Fixed(..) => self.unfit(of, to, None),
                }
            }
            (Shape::List(shape), _, Type::Array(to), _) => {
                let (DataType::List(item)
                | DataType::LargeList(item)
                | DataType::FixedSizeList(item, _)) = of
                else {
                    return self.unfit(of, to, None);
                };
                let path = format!("{}[]", self.path);
                self.below(path, |planner| planner.node(item.data_type(), shape, to))
                    .map(|(item, fit)| (Kind::Array(Box::new(item)), fit))
            }
            (Shape::Map(_, shape), DataType::Map(entries, _), Type::Map(to), _) => {
                let DataType::Struct(entries) = entries.data_type() else {
                    return self.unfit(of, to, None);
                };
                let path = format!("{}[].value", self.path);
                self.below(path, |planner| planner.node(entries[1].data_type(), shape, to))
                    .map(|(value, fit)| (Kind::Map(Box::new(value)), fit))
            }
            (Shape::Scalar | Shape::Json, _, _, Some(definition)) => {
                self.converted(convert::to_named(of, definition), of, to)
            }
            (Shape::Scalar | Shape::Json, _, Type::Plain(plain, logical), _) => {
                self.converted(convert::to_plain(of, *plain, *logical), of, to)
            }
            _ => self.unfit(of, to, None),
        }
    }

    fn converted(&mut self, fits: Fits, of: &DataType, to: &Type) -> Option<(Kind, Fit)> {
        match fits {
            Ok(fits) => Some(fits),
            Err(hint) => self.unfit(of, to, hint),
        }
    }

    fn unfit<T>(&mut self, of: &DataType, to: &Type, hint: Option<String>) -> Option<T> {
        let hint = hint.map_or(String::new(), |hint| format!(": {hint}"));
        self.differ(format!("is {of} and the schema's {}{hint}", self.schema.describe(to)));
        None
    }
}

/// How a null is written, if the type takes one.
fn null_branch(of: &Type) -> Option<Tag> {
    match of {
        Type::Plain(Plain::Null, _) => Some(Tag::NONE),
        Type::Union(branches) => {
            let null = |branch: &Type| matches!(branch, Type::Plain(Plain::Null, _));
            branches.iter().position(null).map(Tag::branch)
        }
        _ => None,
    }
}

/// The column of each field: that of its name first, then one of an alias that no field has.
fn choose_columns(columns: &Fields, fields: &[schema::Field]) -> Vec<Option<usize>> {
    let mut free: HashMap<&str, usize> =
        columns.iter().enumerate().map(|(at, column)| (column.name().as_str(), at)).collect();
    let own = |field: &schema::Field| field.arrow_name.as_ref().unwrap_or(&field.name).clone();
    let mut chosen: Vec<_> = fields.iter().map(|field| free.remove(own(field).as_str())).collect();
    for (field, chosen) in fields.iter().zip(&mut chosen) {
        if chosen.is_none() {
            *chosen = field.aliases.iter().find_map(|alias| free.remove(alias.as_str()));
        }
    }
    chosen
}

#[cfg(test)]
mod tests;
