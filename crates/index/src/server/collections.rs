//! Making, finding and dropping what vectors lie in: a collection a model, a shard a day, a note of how far it is.

use std::{collections::BTreeMap, sync::Arc, thread, time::Duration, time::Instant};

use qdrant_client::qdrant::{
    AliasDescription, CollectionClusterInfoRequest, CreateAlias, CreateCollection, CreateFieldIndexCollection, CreateShardKey,
    CreateShardKeyRequest, DeleteCollection, DeleteShardKey, DeleteShardKeyRequest, Distance, FieldType, HnswConfigDiff,
    QuantizationConfig, QuantizationType, ReplicaState, ScalarQuantization, ShardKey, ShardingMethod, VectorParams,
    VectorParamsMap, VectorsConfig, payload_index_params::IndexParams, quantization_config::Quantization, shard_key::Key,
    vectors_config::Config,
};
use types::{Description, ModelDigest};

use super::{
    create::{create_collection, seconds},
    link::{Again, CallError, Kind, Link},
    names::{self, ShardName},
    note,
    points::{APPEARANCE, DESCRIPTION, index_params, payload_indexes},
    settings::ServerSettings,
};
use crate::{IndexError, IndexSpec};

const LOOK_AGAIN: Duration = Duration::from_millis(50);

pub(super) fn shard_key(name: ShardName) -> ShardKey {
    ShardKey { key: Some(Key::Keyword(name.key())) }
}

/// What the alias stands for.
pub(super) fn target(link: &Link, alias: &str) -> Result<Option<String>, IndexError> {
    let found =
        link.call("look for the index", Again::Idempotent, (), |client, ()| async move { client.list_aliases().await })?;
    let named = |a: AliasDescription| (a.alias_name == alias).then_some(a.collection_name);
    Ok(found.aliases.into_iter().find_map(named))
}

/// Collections of this deployment: name, model (shortened) and number.
pub(super) fn own(link: &Link) -> Result<Vec<(String, String, u64)>, IndexError> {
    let found =
        link.call("list collections", Again::Idempotent, (), |client, ()| async move { client.list_collections().await })?;
    let parse = |name: String| {
        let (model, made) = names::parse(&link.settings().name, &name)?;
        let (model, made) = (model.to_owned(), made);
        Some((name, model, made))
    };
    Ok(found.collections.into_iter().filter_map(|c| parse(c.name)).collect())
}

/// An empty collection that can take vectors; one that is there already is left as it is.
pub(super) fn create(link: &Link, name: &str, spec: IndexSpec) -> Result<(), IndexError> {
    create_collection(link, collection(link.settings(), name, spec, seconds(link.patience())))?;
    for (field, params) in payload_indexes() {
        let kind = match params {
            IndexParams::IntegerIndexParams(_) => FieldType::Integer,
            _ => FieldType::Keyword,
        };
        let request = CreateFieldIndexCollection {
            collection_name: name.to_owned(),
            wait: Some(true),
            field_name: field.to_owned(),
            field_type: Some(kind.into()),
            field_index_params: Some(index_params(params)),
            timeout: seconds(link.settings().timeout),
            ..CreateFieldIndexCollection::default()
        };
        // The same again changes nothing.
        link.call("index a field", Again::Idempotent, request, |client, request| async move {
            client.create_field_index(request).await
        })?;
    }
    Ok(())
}

#[allow(deprecated, reason = "what took the place of `on_disk` and `always_ram` is unknown to servers before 1.19")]
fn collection(settings: &ServerSettings, name: &str, spec: IndexSpec, timeout: Option<u64>) -> CreateCollection {
    let vectors = |size: usize| VectorParams {
        size: size as u64,
        distance: Distance::Dot.into(),
        // The originals are what answers are scored by.
        on_disk: Some(true),
        ..VectorParams::default()
    };
    let map = [(DESCRIPTION, Description::VECTOR_LEN), (APPEARANCE, spec.appearance_len)];
    let map = map.into_iter().map(|(space, size)| (space.to_owned(), vectors(size))).collect();
    let int8 = ScalarQuantization {
        r#type: QuantizationType::Int8.into(),
        quantile: Some(0.99),
        // An exact search doesn't read them.
        always_ram: Some(!settings.exact),
        ..ScalarQuantization::default()
    };
    CreateCollection {
        collection_name: name.to_owned(),
        vectors_config: Some(VectorsConfig { config: Some(Config::ParamsMap(VectorParamsMap { map })) }),
        quantization_config: Some(QuantizationConfig { quantization: Some(Quantization::Scalar(int8)) }),
        // Nor the graph.
        hnsw_config: settings.exact.then(|| HnswConfigDiff { m: Some(0), ..HnswConfigDiff::default() }),
        on_disk_payload: Some(true),
        sharding_method: Some(ShardingMethod::Custom.into()),
        // Of a day.
        shard_number: Some(1),
        replication_factor: Some(settings.replication),
        write_consistency_factor: Some(settings.write_consistency),
        timeout,
        ..CreateCollection::default()
    }
}

/// Points the alias there, in one step wherever it pointed before.
pub(super) fn point_alias(link: &Link, alias: &str, collection: &str) -> Result<(), IndexError> {
    let request = CreateAlias { alias_name: alias.to_owned(), collection_name: collection.to_owned() };
    link.call("name the collection that is used", Again::Never, request, |client, request| async move {
        client.create_alias(request).await
    })?;
    Ok(())
}

pub(super) fn drop_collection(link: &Link, name: &str) -> Result<(), IndexError> {
    let request = DeleteCollection { collection_name: name.to_owned(), timeout: seconds(link.patience()) };
    let dropped = link.call("drop a collection", Again::Never, request, |client, request| async move {
        client.delete_collection(request).await
    });
    match dropped {
        Err(CallError { kind: Kind::Missing, .. }) => Ok(()),
        other => Ok(other.map(drop)?),
    }
}

/// Every shard of the collection, and whether it takes changes on as many machines as must have them.
pub(super) fn shards(link: &Link, collection: &str) -> Result<BTreeMap<ShardName, bool>, CallError> {
    let request = CollectionClusterInfoRequest { collection_name: collection.to_owned() };
    let info = link.call("list shards", Again::Idempotent, request, |client, request| async move {
        client.collection_cluster_info(request).await
    })?;
    let here = info.local_shards.into_iter().map(|s| (s.shard_key, s.state));
    let there = info.remote_shards.into_iter().map(|s| (s.shard_key, s.state));
    let mut active: BTreeMap<ShardName, u32> = BTreeMap::new();
    for (key, state) in here.chain(there) {
        let Some(ShardKey { key: Some(Key::Keyword(key)) }) = key else { continue };
        if let Some(name) = ShardName::parse(&key) {
            *active.entry(name).or_default() += u32::from(state == ReplicaState::Active as i32);
        }
    }
    let enough = link.settings().write_consistency;
    Ok(active.into_iter().map(|(name, active)| (name, active >= enough)).collect())
}

/// Makes a shard, or finds it there, and waits until it takes changes: a server may refuse them for a second or so.
pub(super) fn create_shard(link: &Link, collection: &str, shard: ShardName) -> Result<(), CallError> {
    let request = CreateShardKeyRequest {
        collection_name: collection.to_owned(),
        request: Some(CreateShardKey { shard_key: Some(shard_key(shard)), ..CreateShardKey::default() }),
        timeout: seconds(link.patience()),
    };
    let made = link.call("make a day's shard", Again::Never, request, |client, request| async move {
        client.create_shard_key(request).await
    });
    if let Err(CallError { error, .. }) = made {
        // Somebody else may have made it, or this call before its answer was lost.
        if !shards(link, collection)?.contains_key(&shard) {
            return Err(alone(error).into());
        }
    }
    await_shard(link, collection, shard)
}

/// A server on its own knows no shard keys, and says so in its own words.
fn alone(error: IndexError) -> IndexError {
    match error {
        IndexError::Server { url, reason, .. } if reason.contains("Distributed mode disabled") => IndexError::Unsuitable {
            url,
            fault: "is not in cluster mode; start it with QDRANT__CLUSTER__ENABLED=true and --uri http://ITS-NAME:6335"
                .to_owned(),
        },
        other => other,
    }
}

pub(super) fn await_shard(link: &Link, collection: &str, shard: ShardName) -> Result<(), CallError> {
    let deadline = Instant::now() + link.patience();
    loop {
        match shards(link, collection)?.get(&shard) {
            Some(true) => return Ok(()),
            _ if Instant::now() >= deadline => {
                let (url, action) = (link.settings().url.clone(), "wait for a day's shard");
                let reason = format!("{} is not ready", shard.key());
                return Err(IndexError::Away { action, url, reason }.into());
            }
            _ => thread::sleep(LOOK_AGAIN),
        }
    }
}

/// Deletes a day's files wherever they are; one that is not there is no error.
pub(super) fn drop_shard(link: &Link, collection: &str, shard: ShardName) -> Result<(), IndexError> {
    let request = DeleteShardKeyRequest {
        collection_name: collection.to_owned(),
        request: Some(DeleteShardKey { shard_key: Some(shard_key(shard)) }),
        timeout: seconds(link.patience()),
    };
    let dropped = link.call("drop a day's shard", Again::Never, request, |client, request| async move {
        client.delete_shard_key(request).await
    });
    match dropped {
        Err(CallError { error, kind }) if kind != Kind::Missing || shards(link, collection)?.contains_key(&shard) => Err(error),
        _ => Ok(()),
    }
}

/// Drops the collections of all models but these, and what was noted of them.
pub(crate) fn keep_only(link: &Arc<Link>, models: &[ModelDigest]) -> Result<(), IndexError> {
    let kept: Vec<_> = models.iter().map(ModelDigest::short).collect();
    for (name, model, _) in own(link)? {
        if !kept.contains(&model) {
            // A collection without a note is one that nobody trusts.
            note::delete(link, &model)?;
            drop_collection(link, &name)?;
            tracing::info!(collection = name, "collection of a model that is not used any more dropped");
        }
    }
    Ok(())
}
