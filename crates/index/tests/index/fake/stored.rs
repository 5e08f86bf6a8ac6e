//! What the fake holds, and how it finds it again.

use std::collections::{BTreeMap, HashMap};

use qdrant_client::qdrant::{
    Condition, CreateCollection, FieldCondition, Filter, PointId, PointStruct, ShardKey, ShardKeySelector, ShardingMethod, Value,
    condition::ConditionOneOf, r#match::MatchValue, point_id::PointIdOptions, shard_key::Key, vector, vectors::VectorsOptions,
};
use tonic::Status;

/// How often somebody has to look before a new shard takes changes.
const LOOKS: u32 = 2;
/// The key of the only shard of a collection that is not sharded by key.
const ONLY: &str = "";

#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) collections: BTreeMap<String, Collection>,
    pub(super) aliases: BTreeMap<String, String>,
    pub(super) early_writes: usize,
    /// Of the other machines that each shard is said to be on.
    pub(super) dead: u32,
}

#[derive(Debug)]
pub(super) struct Collection {
    pub(super) made: CreateCollection,
    pub(super) shards: BTreeMap<String, Shard>,
}

#[derive(Debug, Default)]
pub(super) struct Shard {
    pub(super) looks_left: u32,
    pub(super) points: BTreeMap<String, Point>,
}

#[derive(Debug, Clone)]
pub(super) struct Point {
    pub(super) id: PointId,
    pub(super) payload: HashMap<String, Value>,
    /// By name; the only one has none.
    pub(super) vectors: HashMap<String, Vec<f32>>,
}

impl Stored {
    pub(super) fn create(&mut self, made: CreateCollection) -> Result<(), Status> {
        let name = made.collection_name.clone();
        if self.collections.contains_key(&name) {
            return Err(Status::already_exists(format!("Wrong input: Collection `{name}` already exists!")));
        }
        let by_key = made.sharding_method == Some(ShardingMethod::Custom as i32);
        let shards = if by_key { BTreeMap::new() } else { BTreeMap::from([(ONLY.to_owned(), Shard::default())]) };
        self.collections.insert(name, Collection { made, shards });
        Ok(())
    }

    pub(super) fn drop_collection(&mut self, name: &str) -> bool {
        self.aliases.retain(|_, of| of != name);
        self.collections.remove(name).is_some()
    }

    /// By its name or an alias.
    pub(super) fn collection(&self, name: &str) -> Result<&Collection, Status> {
        let name = self.aliases.get(name).map_or(name, String::as_str);
        self.collections.get(name).ok_or_else(|| unknown(name))
    }

    /// What changes shards takes no alias.
    pub(super) fn named(&mut self, name: &str) -> Result<&mut Collection, Status> {
        self.collections.get_mut(name).ok_or_else(|| unknown(name))
    }

    pub(super) fn create_shard(&mut self, collection: &str, key: Option<ShardKey>) -> Result<(), Status> {
        let (collection, key) = (self.named(collection)?, word(key)?);
        if collection.shards.contains_key(&key) {
            return Err(Status::invalid_argument(format!("Bad request: Sharding key {key} already exists")));
        }
        collection.shards.insert(key, Shard { looks_left: LOOKS, ..Shard::default() });
        Ok(())
    }

    pub(super) fn drop_shard(&mut self, collection: &str, key: Option<ShardKey>) -> Result<(), Status> {
        let (collection, key) = (self.named(collection)?, word(key)?);
        match collection.shards.remove(&key) {
            Some(_) => Ok(()),
            None => Err(Status::invalid_argument(format!("Bad request: Sharding key {key} does not exist"))),
        }
    }

    /// Shards to write to.
    pub(super) fn written(&mut self, name: &str, selector: Option<ShardKeySelector>) -> Result<Vec<&mut Shard>, Status> {
        let keys = self.keys(name, selector)?;
        let name = self.aliases.get(name).map_or(name, String::as_str).to_owned();
        let (collection, early) = (self.collections.get_mut(&name).ok_or_else(|| unknown(&name))?, &mut self.early_writes);
        let shards: Vec<_> = collection.shards.iter_mut().filter(|(key, _)| keys.contains(key)).map(|(_, s)| s).collect();
        if shards.iter().any(|s| s.looks_left > 0) {
            *early += 1;
            return Err(Status::internal("Service internal error: shard is not active"));
        }
        Ok(shards)
    }

    /// Points to read, in order of their ids.
    pub(super) fn read(&self, name: &str, selector: Option<ShardKeySelector>) -> Result<BTreeMap<&String, &Point>, Status> {
        let keys = self.keys(name, selector)?;
        let shards = self.collection(name)?.shards.iter().filter(|(key, _)| keys.contains(key));
        Ok(shards.flat_map(|(_, shard)| &shard.points).collect())
    }

    fn keys(&self, name: &str, selector: Option<ShardKeySelector>) -> Result<Vec<String>, Status> {
        let collection = self.collection(name)?;
        let Some(selector) = selector else { return Ok(collection.shards.keys().cloned().collect()) };
        let keys = selector.shard_keys.into_iter().map(|key| word(Some(key))).collect::<Result<Vec<_>, _>>()?;
        match keys.iter().find(|key| !collection.shards.contains_key(*key)) {
            Some(key) => Err(Status::invalid_argument(format!("Wrong input: Shard key {key} not found"))),
            None => Ok(keys),
        }
    }
}

impl Point {
    pub(super) fn new(point: PointStruct) -> Result<(String, Self), Status> {
        let id = point.id.ok_or_else(|| Status::invalid_argument("a point without id"))?;
        let dense = |v: qdrant_client::qdrant::Vector| match v.vector {
            Some(vector::Vector::Dense(dense)) => Ok(dense.data),
            _ => Err(Status::invalid_argument("not taught: a vector that is not dense")),
        };
        let vectors = match point.vectors.and_then(|v| v.vectors_options) {
            Some(VectorsOptions::Vectors(named)) => {
                named.vectors.into_iter().map(|(name, v)| Ok((name, dense(v)?))).collect::<Result<_, Status>>()?
            }
            Some(VectorsOptions::Vector(only)) => HashMap::from([(String::new(), dense(only)?)]),
            None => return Err(Status::invalid_argument("a point without vectors")),
        };
        Ok((text(&id), Self { id, payload: point.payload, vectors }))
    }

    pub(super) fn meets(&self, filter: &Filter) -> Result<bool, Status> {
        if !filter.should.is_empty() || filter.min_should.is_some() {
            return Err(Status::invalid_argument("not taught: should"));
        }
        for condition in &filter.must {
            if !self.meets_one(condition)? {
                return Ok(false);
            }
        }
        for condition in &filter.must_not {
            if self.meets_one(condition)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn meets_one(&self, condition: &Condition) -> Result<bool, Status> {
        match &condition.condition_one_of {
            Some(ConditionOneOf::HasId(ids)) => Ok(ids.has_id.iter().any(|id| text(id) == text(&self.id))),
            Some(ConditionOneOf::Field(field)) => self.meets_field(field),
            _ => Err(Status::invalid_argument("not taught: such a condition")),
        }
    }

    fn meets_field(&self, field: &FieldCondition) -> Result<bool, Status> {
        let value = self.payload.get(&field.key);
        if let Some(range) = &field.range {
            let Some(value) = value.and_then(Value::as_integer).map(|n| n as f64) else { return Ok(false) };
            let outside = range.lt.is_some_and(|most| value >= most)
                || range.lte.is_some_and(|most| value > most)
                || range.gt.is_some_and(|least| value <= least)
                || range.gte.is_some_and(|least| value < least);
            return Ok(!outside);
        }
        let word = value.and_then(Value::as_str);
        match field.r#match.as_ref().and_then(|m| m.match_value.as_ref()) {
            Some(MatchValue::Keyword(want)) => Ok(word == Some(want)),
            Some(MatchValue::Keywords(want)) => Ok(word.is_some_and(|w| want.strings.contains(w))),
            _ => Err(Status::invalid_argument("not taught: such a match")),
        }
    }
}

pub(super) fn text(id: &PointId) -> String {
    match &id.point_id_options {
        Some(PointIdOptions::Uuid(uuid)) => uuid.clone(),
        Some(PointIdOptions::Num(number)) => number.to_string(),
        None => String::new(),
    }
}

fn word(key: Option<ShardKey>) -> Result<String, Status> {
    match key.and_then(|k| k.key) {
        Some(Key::Keyword(word)) => Ok(word),
        _ => Err(Status::invalid_argument("not taught: a shard key that is no word")),
    }
}

fn unknown(name: &str) -> Status {
    Status::not_found(format!("Not found: Collection `{name}` doesn't exist!"))
}
