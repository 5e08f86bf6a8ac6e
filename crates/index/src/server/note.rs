//! How far a collection is in the catalogue's sequence of changes, kept beside it on the server: every server that feeds it
//! reads the same.

use super::{
    create::{create_collection, seconds},
    link::{Again, Link},
    names,
    points::{equal, range},
};
use crate::{IndexError, IndexSpec};
use qdrant_client::qdrant::{
    CreateCollection, DeletePoints, Distance, Filter, GetPoints, PointId, PointStruct, Range, UpsertPoints, Value, VectorParams,
    VectorsConfig, WithPayloadSelector, point_id::PointIdOptions, vectors_config::Config, with_payload_selector::SelectorOptions,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    /// The collection it is about: one that was swapped for another has none.
    pub(super) collection: String,
    /// Every change of the catalogue up to this number is in it.
    pub(super) synced: u64,
}

/// Whether there is a place for notes.
pub(super) fn is_prepared(link: &Link) -> Result<bool, IndexError> {
    let name = names::notes(&link.settings().name);
    Ok(link.call(
        "look for the index",
        Again::Idempotent,
        name,
        |client, name| async move { client.collection_exists(name).await },
    )?)
}

/// Makes the place for notes where there is none.
pub(super) fn prepare(link: &Link) -> Result<(), IndexError> {
    let (settings, name) = (link.settings(), names::notes(&link.settings().name));
    if is_prepared(link)? {
        return Ok(());
    }
    // A point has to have a vector.
    let nothing = VectorParams { size: 1, distance: Distance::Dot.into(), ..VectorParams::default() };
    create_collection(
        link,
        CreateCollection {
            collection_name: name,
            vectors_config: Some(VectorsConfig { config: Some(Config::Params(nothing)) }),
            shard_number: Some(1),
            replication_factor: Some(settings.replication),
            write_consistency_factor: Some(settings.write_consistency),
            timeout: seconds(link.patience()),
            ..CreateCollection::default()
        },
    )
}

/// # Errors
/// [`IndexError::Collection`] where it is not about vectors such as `spec` says.
pub(super) fn read(link: &Link, spec: &IndexSpec) -> Result<Option<Note>, IndexError> {
    let request = GetPoints {
        collection_name: names::notes(&link.settings().name),
        ids: id(&spec.model.short()).into_iter().collect(),
        with_payload: Some(WithPayloadSelector { selector_options: Some(SelectorOptions::Enable(true)) }),
        timeout: seconds(link.settings().timeout),
        ..GetPoints::default()
    };
    let found = link.call("read how far the index is", Again::Idempotent, request, |client, request| async move {
        client.get_points(request).await
    })?;
    let Some(point) = found.result.into_iter().next() else { return Ok(None) };
    let text = |key: &str| point.payload.get(key).and_then(Value::as_str).map(String::as_str);
    let number = |key: &str| point.payload.get(key).and_then(Value::as_integer).and_then(|n| u64::try_from(n).ok());
    let collection = text("collection").unwrap_or_default().to_owned();
    let of_us = text("model") == Some(spec.model.to_string().as_str())
        && number("appearance_len") == Some(spec.appearance_len as u64)
        && number("format") == Some(FORMAT);
    match number("synced") {
        Some(synced) if of_us => Ok(Some(Note { collection, synced })),
        _ => Err(IndexError::Collection { collection, reason: "holds vectors of another kind".to_owned() }),
    }
}

const FORMAT: u64 = 1;

/// On the server when it returns. Unless it is the `first` of its collection, one that says more is left as it is: whoever
/// wrote that has fed it further.
pub(super) fn write(link: &Link, spec: &IndexSpec, note: &Note, first: bool) -> Result<(), IndexError> {
    let whole = |n: u64| Value::from(i64::try_from(n).unwrap_or(i64::MAX));
    let payload = [
        ("model", spec.model.to_string().into()),
        ("appearance_len", whole(spec.appearance_len as u64)),
        ("format", whole(FORMAT)),
        ("collection", note.collection.as_str().into()),
        ("synced", whole(note.synced)),
    ];
    let less = Filter {
        must: vec![
            equal("collection", &note.collection),
            range("synced", Range { lt: Some(note.synced as f64), ..Range::default() }),
        ],
        ..Filter::default()
    };
    let request = UpsertPoints {
        collection_name: names::notes(&link.settings().name),
        wait: Some(true),
        points: vec![PointStruct {
            id: id(&spec.model.short()),
            payload: payload.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            vectors: Some(vec![0.0].into()),
        }],
        update_filter: (!first).then_some(less),
        timeout: seconds(link.settings().timeout),
        ..UpsertPoints::default()
    };
    link.call("note how far the index is", Again::Idempotent, request, |client, request| async move {
        client.upsert_points(request).await
    })?;
    Ok(())
}

/// Forgets what was noted of a model, by its short name.
pub(super) fn delete(link: &Link, model: &str) -> Result<(), IndexError> {
    let Some(id) = id(model) else { return Ok(()) };
    let request = DeletePoints {
        collection_name: names::notes(&link.settings().name),
        wait: Some(true),
        points: Some(vec![id].into()),
        timeout: seconds(link.settings().timeout),
        ..DeletePoints::default()
    };
    link.call("forget how far an index is", Again::Idempotent, request, |client, request| async move {
        client.delete_points(request).await
    })?;
    Ok(())
}

/// Of a model, shortened, in the notes.
fn id(model: &str) -> Option<PointId> {
    let number = u64::from_str_radix(model, 16).ok()?;
    Some(PointId { point_id_options: Some(PointIdOptions::Num(number)) })
}
