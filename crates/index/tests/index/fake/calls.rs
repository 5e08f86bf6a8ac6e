//! The calls the fake was taught.

use std::{future::Future, pin::Pin};

use ::qdrant_client::qdrant::{alias_operations::Action, collections_server::Collections, points_server::Points, *};
use tonic::{Request, Response, Status};

use super::{
    Service,
    stored::{Point, text},
};

type Answer<T> = Result<Response<T>, Status>;

/// Calls that are refused, as the trait's methods are once they are expanded.
macro_rules! not_taught {
    ($($name:ident: $request:ty => $answer:ty;)*) => {$(
        fn $name<'s, 'f>(
            &'s self,
            _: Request<$request>,
        ) -> Pin<Box<dyn Future<Output = Answer<$answer>> + Send + 'f>>
        where
            's: 'f,
            Self: 'f,
        {
            Box::pin(async { Err(Status::unimplemented(concat!("not taught: ", stringify!($name)))) })
        }
    )*};
}

fn done() -> CollectionOperationResponse {
    CollectionOperationResponse { result: true, time: 0.0 }
}

fn stored() -> PointsOperationResponse {
    let result = UpdateResult { operation_id: None, status: UpdateStatus::Completed.into() };
    PointsOperationResponse { result: Some(result), ..PointsOperationResponse::default() }
}

fn keys(selector: Option<&ShardKeySelector>) -> String {
    let word = |k: &ShardKey| match &k.key {
        Some(shard_key::Key::Keyword(word)) => word.clone(),
        _ => "?".to_owned(),
    };
    selector.map(|s| s.shard_keys.iter().map(word).collect::<Vec<_>>().join(",")).unwrap_or_default()
}

#[tonic::async_trait]
impl Collections for Service {
    async fn list(&self, request: Request<ListCollectionsRequest>) -> Answer<ListCollectionsResponse> {
        let work = |s: &mut super::Stored, _| {
            let collections = s.collections.keys().map(|name| CollectionDescription { name: name.clone() }).collect();
            Ok(ListCollectionsResponse { collections, time: 0.0 })
        };
        self.answer("list", request, |_| String::new(), work).await
    }

    async fn create(&self, request: Request<CreateCollection>) -> Answer<CollectionOperationResponse> {
        self.answer("create", request, |q| q.collection_name.clone(), |s, q| s.create(q).map(|()| done())).await
    }

    async fn delete(&self, request: Request<DeleteCollection>) -> Answer<CollectionOperationResponse> {
        let work = |s: &mut super::Stored, q: DeleteCollection| {
            Ok(CollectionOperationResponse { result: s.drop_collection(&q.collection_name), time: 0.0 })
        };
        self.answer("delete_collection", request, |q| q.collection_name.clone(), work).await
    }

    async fn update_aliases(&self, request: Request<ChangeAliases>) -> Answer<CollectionOperationResponse> {
        let work = |s: &mut super::Stored, q: ChangeAliases| {
            for action in q.actions {
                let Some(Action::CreateAlias(alias)) = action.action else {
                    return Err(Status::invalid_argument("not taught: such a change of aliases"));
                };
                s.named(&alias.collection_name)?;
                s.aliases.insert(alias.alias_name, alias.collection_name);
            }
            Ok(done())
        };
        self.answer("update_aliases", request, |_| String::new(), work).await
    }

    async fn list_aliases(&self, request: Request<ListAliasesRequest>) -> Answer<ListAliasesResponse> {
        let work = |s: &mut super::Stored, _| {
            let described = |(alias, collection): (&String, &String)| AliasDescription {
                alias_name: alias.clone(),
                collection_name: collection.clone(),
            };
            Ok(ListAliasesResponse { aliases: s.aliases.iter().map(described).collect(), time: 0.0 })
        };
        self.answer("list_aliases", request, |_| String::new(), work).await
    }

    async fn collection_exists(&self, request: Request<CollectionExistsRequest>) -> Answer<CollectionExistsResponse> {
        let work = |s: &mut super::Stored, q: CollectionExistsRequest| {
            let exists = s.collection(&q.collection_name).is_ok();
            Ok(CollectionExistsResponse { result: Some(CollectionExists { exists }), time: 0.0 })
        };
        self.answer("collection_exists", request, |q| q.collection_name.clone(), work).await
    }

    async fn collection_cluster_info(
        &self,
        request: Request<CollectionClusterInfoRequest>,
    ) -> Answer<CollectionClusterInfoResponse> {
        let work = |s: &mut super::Stored, q: CollectionClusterInfoRequest| {
            let (mut local_shards, mut remote_shards) = (Vec::new(), Vec::new());
            let dead = s.dead;
            let collection = s.named(&q.collection_name)?;
            let others = collection.made.replication_factor.unwrap_or(1) - 1;
            for (key, shard) in &mut collection.shards {
                let state = if shard.looks_left == 0 { ReplicaState::Active } else { ReplicaState::Initializing };
                shard.looks_left = shard.looks_left.saturating_sub(1);
                let shard_key = Some(ShardKey { key: Some(shard_key::Key::Keyword(key.clone())) });
                local_shards.push(LocalShardInfo {
                    state: state.into(),
                    shard_key: shard_key.clone(),
                    ..LocalShardInfo::default()
                });
                for other in 0..others {
                    let state = if other < dead { ReplicaState::Dead } else { state };
                    let shard_key = shard_key.clone();
                    remote_shards.push(RemoteShardInfo { state: state.into(), shard_key, ..RemoteShardInfo::default() });
                }
            }
            Ok(CollectionClusterInfoResponse { local_shards, remote_shards, ..CollectionClusterInfoResponse::default() })
        };
        self.answer("collection_cluster_info", request, |q| q.collection_name.clone(), work).await
    }

    async fn create_shard_key(&self, request: Request<CreateShardKeyRequest>) -> Answer<CreateShardKeyResponse> {
        let work = |s: &mut super::Stored, q: CreateShardKeyRequest| {
            s.create_shard(&q.collection_name, q.request.and_then(|r| r.shard_key))?;
            Ok(CreateShardKeyResponse { result: true, time: 0.0 })
        };
        self.answer("create_shard_key", request, |q| q.collection_name.clone(), work).await
    }

    async fn delete_shard_key(&self, request: Request<DeleteShardKeyRequest>) -> Answer<DeleteShardKeyResponse> {
        let work = |s: &mut super::Stored, q: DeleteShardKeyRequest| {
            s.drop_shard(&q.collection_name, q.request.and_then(|r| r.shard_key))?;
            Ok(DeleteShardKeyResponse { result: true, time: 0.0 })
        };
        self.answer("delete_shard_key", request, |q| q.collection_name.clone(), work).await
    }

    not_taught! {
        get: GetCollectionInfoRequest => GetCollectionInfoResponse;
        update: UpdateCollection => CollectionOperationResponse;
        list_collection_aliases: ListCollectionAliasesRequest => ListAliasesResponse;
        update_collection_cluster_setup: UpdateCollectionClusterSetupRequest => UpdateCollectionClusterSetupResponse;
        list_shard_keys: ListShardKeysRequest => ListShardKeysResponse;
    }
}

#[tonic::async_trait]
impl Points for Service {
    async fn create_field_index(&self, request: Request<CreateFieldIndexCollection>) -> Answer<PointsOperationResponse> {
        let work = |s: &mut super::Stored, q: CreateFieldIndexCollection| s.collection(&q.collection_name).map(|_| stored());
        self.answer("create_field_index", request, |q| q.field_name.clone(), work).await
    }

    async fn upsert(&self, request: Request<UpsertPoints>) -> Answer<PointsOperationResponse> {
        let work = |s: &mut super::Stored, q: UpsertPoints| {
            for shard in s.written(&q.collection_name, q.shard_key_selector)? {
                for point in q.points.iter().cloned() {
                    let (id, point) = Point::new(point)?;
                    match (&q.update_filter, shard.points.get(&id)) {
                        (Some(filter), Some(there)) if !there.meets(filter)? => {}
                        _ => drop(shard.points.insert(id, point)),
                    }
                }
            }
            Ok(stored())
        };
        let about =
            |q: &UpsertPoints| format!("{} {} {}", q.collection_name, keys(q.shard_key_selector.as_ref()), q.points.len());
        self.answer("upsert", request, about, work).await
    }

    async fn delete(&self, request: Request<DeletePoints>) -> Answer<PointsOperationResponse> {
        let work = |s: &mut super::Stored, q: DeletePoints| {
            let selected = q.points.and_then(|p| p.points_selector_one_of);
            let Some(points_selector::PointsSelectorOneOf::Points(list)) = selected else {
                return Err(Status::invalid_argument("not taught: deleting but by id"));
            };
            for shard in s.written(&q.collection_name, q.shard_key_selector)? {
                for id in &list.ids {
                    shard.points.remove(&text(id));
                }
            }
            Ok(stored())
        };
        self.answer("delete", request, |q| q.collection_name.clone(), work).await
    }

    async fn get(&self, request: Request<GetPoints>) -> Answer<GetResponse> {
        let work = |s: &mut super::Stored, q: GetPoints| {
            let points = s.read(&q.collection_name, q.shard_key_selector)?;
            let result = q.ids.iter().filter_map(|id| points.get(&text(id))).map(|p| retrieved(p, true)).collect();
            Ok(GetResponse { result, ..GetResponse::default() })
        };
        self.answer("get", request, |q| q.collection_name.clone(), work).await
    }

    async fn scroll(&self, request: Request<ScrollPoints>) -> Answer<ScrollResponse> {
        let work = |s: &mut super::Stored, q: ScrollPoints| {
            let whole =
                q.with_vectors.is_some_and(|w| w.selector_options == Some(with_vectors_selector::SelectorOptions::Enable(true)));
            let points = s.read(&q.collection_name, q.shard_key_selector)?;
            let from = q.offset.as_ref().map(text).unwrap_or_default();
            let mut rest = points.into_iter().filter(|(id, _)| **id >= from).map(|(_, p)| p);
            let result = rest.by_ref().take(q.limit.unwrap_or(10) as usize).map(|p| retrieved(p, whole)).collect();
            Ok(ScrollResponse { result, next_page_offset: rest.next().map(|p| p.id.clone()), ..ScrollResponse::default() })
        };
        self.answer("scroll", request, |q| q.collection_name.clone(), work).await
    }

    async fn count(&self, request: Request<CountPoints>) -> Answer<CountResponse> {
        let work = |s: &mut super::Stored, q: CountPoints| {
            // Not by id: one may be in two shards.
            let mut count = 0;
            for key in q.shard_key_selector.map(|s| s.shard_keys).unwrap_or_default() {
                let one = ShardKeySelector { shard_keys: vec![key], fallback: None };
                count += s.read(&q.collection_name, Some(one))?.len() as u64;
            }
            Ok(CountResponse { result: Some(CountResult { count }), ..CountResponse::default() })
        };
        self.answer("count", request, |q| q.collection_name.clone(), work).await
    }

    async fn query(&self, request: Request<QueryPoints>) -> Answer<QueryResponse> {
        let work = |s: &mut super::Stored, q: QueryPoints| {
            let nearest = match q.query.and_then(|q| q.variant) {
                Some(query::Variant::Nearest(VectorInput { variant: Some(vector_input::Variant::Dense(dense)) })) => dense.data,
                _ => return Err(Status::invalid_argument("not taught: such a query")),
            };
            let (space, filter) = (q.using.unwrap_or_default(), q.filter.unwrap_or_default());
            let mut result = Vec::new();
            for point in s.read(&q.collection_name, q.shard_key_selector)?.into_values() {
                let Some(vector) = point.vectors.get(&space).filter(|v| v.len() == nearest.len()) else {
                    return Err(Status::invalid_argument("Wrong input: no such vector"));
                };
                if point.meets(&filter)? {
                    let score = vector.iter().zip(&nearest).map(|(a, b)| a * b).sum();
                    result.push(ScoredPoint { id: Some(point.id.clone()), score, ..ScoredPoint::default() });
                }
            }
            result.sort_by(|a: &ScoredPoint, b| b.score.total_cmp(&a.score));
            result.truncate(q.limit.unwrap_or(10) as usize);
            Ok(QueryResponse { result, ..QueryResponse::default() })
        };
        self.answer("query", request, |q| keys(q.shard_key_selector.as_ref()), work).await
    }

    not_taught! {
        update_vectors: UpdatePointVectors => PointsOperationResponse;
        delete_vectors: DeletePointVectors => PointsOperationResponse;
        set_payload: SetPayloadPoints => PointsOperationResponse;
        overwrite_payload: SetPayloadPoints => PointsOperationResponse;
        delete_payload: DeletePayloadPoints => PointsOperationResponse;
        clear_payload: ClearPayloadPoints => PointsOperationResponse;
        delete_field_index: DeleteFieldIndexCollection => PointsOperationResponse;
        create_vector_name: CreateVectorNameRequest => PointsOperationResponse;
        delete_vector_name: DeleteVectorNameRequest => PointsOperationResponse;
        search: SearchPoints => SearchResponse;
        search_batch: SearchBatchPoints => SearchBatchResponse;
        search_groups: SearchPointGroups => SearchGroupsResponse;
        recommend: RecommendPoints => RecommendResponse;
        recommend_batch: RecommendBatchPoints => RecommendBatchResponse;
        recommend_groups: RecommendPointGroups => RecommendGroupsResponse;
        discover: DiscoverPoints => DiscoverResponse;
        discover_batch: DiscoverBatchPoints => DiscoverBatchResponse;
        update_batch: UpdateBatchPoints => UpdateBatchResponse;
        query_batch: QueryBatchPoints => QueryBatchResponse;
        query_groups: QueryPointGroups => QueryGroupsResponse;
        facet: FacetCounts => FacetResponse;
        search_matrix_pairs: SearchMatrixPoints => SearchMatrixPairsResponse;
        search_matrix_offsets: SearchMatrixPoints => SearchMatrixOffsetsResponse;
    }
}

fn retrieved(point: &Point, whole: bool) -> RetrievedPoint {
    let output = |values: &Vec<f32>| VectorOutput {
        vector: Some(vector_output::Vector::Dense(DenseVector { data: values.clone() })),
        ..VectorOutput::default()
    };
    let vectors = point.vectors.iter().map(|(name, values)| (name.clone(), output(values))).collect();
    let vectors =
        VectorsOutput { vectors_options: Some(vectors_output::VectorsOptions::Vectors(NamedVectorsOutput { vectors })) };
    RetrievedPoint {
        id: Some(point.id.clone()),
        payload: if whole { point.payload.clone() } else { Default::default() },
        vectors: whole.then_some(vectors),
        ..RetrievedPoint::default()
    }
}
