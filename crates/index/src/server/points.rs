//! Sightings as the server's points, and back.

use std::collections::HashMap;

use qdrant_client::qdrant::{
    Condition, FieldCondition, Filter, HasIdCondition, IntegerIndexParams, KeywordIndexParams, Match, NamedVectors,
    PayloadIndexParams, PointId, PointStruct, Range, RepeatedStrings, RetrievedPoint, Value, Vector, Vectors,
    condition::ConditionOneOf, r#match::MatchValue, payload_index_params::IndexParams, point_id::PointIdOptions, vector_output,
    vectors::VectorsOptions, vectors_output,
};
use types::SightingId;

use crate::{IndexEntry, IndexQuery};

pub(super) const DESCRIPTION: &str = "description";
pub(super) const APPEARANCE: &str = "appearance";

/// The filters' fields and how the server finds them; made before the first point is stored.
pub(super) fn payload_indexes() -> [(&'static str, IndexParams); 5] {
    let keyword = |is_tenant: bool| {
        IndexParams::KeywordIndexParams(KeywordIndexParams { is_tenant: Some(is_tenant), ..KeywordIndexParams::default() })
    };
    let integer = || {
        IndexParams::IntegerIndexParams(IntegerIndexParams {
            lookup: Some(false),
            range: Some(true),
            ..IntegerIndexParams::default()
        })
    };
    [("agency", keyword(true)), ("camera", keyword(false)), ("class", keyword(false)), ("first", integer()), ("last", integer())]
}

pub(super) fn index_params(params: IndexParams) -> PayloadIndexParams {
    PayloadIndexParams { index_params: Some(params) }
}

pub(super) fn point(entry: &IndexEntry) -> PointStruct {
    let payload: [(&str, Value); 5] = [
        ("camera", entry.camera.as_str().into()),
        ("agency", entry.agency.as_str().into()),
        ("class", entry.class.as_str().into()),
        ("first", entry.first.as_micros().into()),
        ("last", entry.last.as_micros().into()),
    ];
    let vectors = [(DESCRIPTION, entry.description.clone()), (APPEARANCE, entry.appearance.values().to_vec())];
    PointStruct {
        id: Some(point_id(entry.id)),
        payload: payload.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        vectors: Some(named(vectors.into_iter().map(|(name, values)| (name.to_owned(), values.into())).collect())),
    }
}

fn named(vectors: HashMap<String, Vector>) -> Vectors {
    Vectors { vectors_options: Some(VectorsOptions::Vectors(NamedVectors { vectors })) }
}

/// A point as it was read, to be stored again; `None` where it is none of ours.
pub(super) fn copy(point: RetrievedPoint) -> Option<PointStruct> {
    let Some(vectors_output::VectorsOptions::Vectors(read)) = point.vectors?.vectors_options else { return None };
    let mut vectors = HashMap::new();
    for (name, vector) in read.vectors {
        let vector_output::Vector::Dense(dense) = vector.into_vector() else { return None };
        vectors.insert(name, dense.data.into());
    }
    Some(PointStruct { id: point.id, payload: point.payload, vectors: Some(named(vectors)) })
}

pub(super) fn point_id(id: SightingId) -> PointId {
    PointId { point_id_options: Some(PointIdOptions::Uuid(id.to_string())) }
}

pub(super) fn sighting(id: Option<&PointId>) -> Option<SightingId> {
    match id?.point_id_options.as_ref()? {
        PointIdOptions::Uuid(text) => text.parse().ok(),
        PointIdOptions::Num(_) => None,
    }
}

pub(super) fn filter(query: &IndexQuery) -> Filter {
    let any = |field: &str, strings: Vec<String>| {
        condition(FieldCondition {
            key: field.to_owned(),
            r#match: Some(Match { match_value: Some(MatchValue::Keywords(RepeatedStrings { strings })) }),
            ..FieldCondition::default()
        })
    };
    let (from, to) = query.bounds();
    let mut must = vec![
        any("camera", query.cameras.iter().map(|c| c.as_str().to_owned()).collect()),
        range("first", Range { lt: Some(to as f64), ..Range::default() }),
        range("last", Range { gte: Some(from as f64), ..Range::default() }),
    ];
    if !query.classes.is_empty() {
        must.push(any("class", query.classes.iter().map(|c| c.as_str().to_owned()).collect()));
    }
    let has_id = query.exclude.iter().map(|id| point_id(*id)).collect();
    let excluded = Condition { condition_one_of: Some(ConditionOneOf::HasId(HasIdCondition { has_id })) };
    let must_not = if query.exclude.is_empty() { Vec::new() } else { vec![excluded] };
    Filter { must, must_not, ..Filter::default() }
}

/// Exact to 2^53.
pub(super) fn range(field: &str, range: Range) -> Condition {
    condition(FieldCondition { key: field.to_owned(), range: Some(range), ..FieldCondition::default() })
}

pub(super) fn equal(field: &str, word: &str) -> Condition {
    let value = Some(MatchValue::Keyword(word.to_owned()));
    condition(FieldCondition { key: field.to_owned(), r#match: Some(Match { match_value: value }), ..FieldCondition::default() })
}

fn condition(field: FieldCondition) -> Condition {
    Condition { condition_one_of: Some(ConditionOneOf::Field(field)) }
}
