//! How much a field of a request may hold. One table, looked at on the wire before anything of a message is built: a request of
//! allowed length may name 60,000 cameras, or be one word of a megabyte.
//!
//! A field that is repeated, text or bytes and is not in the table can't come in: a test compares it with the descriptors.

use std::{
    collections::{HashMap, HashSet},
    marker::PhantomData,
    sync::LazyLock,
};

use prost::{Message, bytes::Buf};
use prost_types::{FileDescriptorSet, field_descriptor_proto::Type};
use tonic::{
    Code, Status,
    codec::{Codec, DecodeBuf, Decoder},
};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

use crate::{FILE_DESCRIPTOR_SET, status};

/// The stable word of a refusal.
pub const TOO_LARGE: &str = "too_large";

/// How many of a field, and how many bytes each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// How often the field may be there.
    pub items: usize,
    /// The bytes of each, for texts and bytes.
    pub bytes: usize,
}

const fn one(bytes: usize) -> Bound {
    Bound { items: 1, bytes }
}

const fn many(items: usize, bytes: usize) -> Bound {
    Bound { items, bytes }
}

/// An id of our own has 63 bytes at most, a UUID 36, a digest 64 digits.
const ID: Bound = one(64);
const IDS: Bound = many(1_000, 64);
/// A few of a closed vocabulary, each maybe more than once.
const WORDS: Bound = many(64, 10);
/// What people write.
const TEXT: Bound = one(2_000);
const TITLE: Bound = one(500);
const PATH: Bound = one(4_096);
const TOKEN: Bound = one(1_000);
/// What a worker watches.
const WATCHED: usize = 10_000;

/// By message and field; a message that others have in them is bounded wherever it is.
pub const BOUNDS: &[(&str, Bound)] = &[
    ("AddAgencyRequest.id", ID),
    ("AddAgencyRequest.title", TITLE),
    ("AddCameraRequest.agency_id", ID),
    ("AddCameraRequest.id", ID),
    ("AddCameraRequest.title", TITLE),
    ("AddCameraRequest.zone", ID),
    ("AddFootageRequest.camera_id", ID),
    ("AddFootageRequest.path", PATH),
    ("AddRecorderRequest.agency_id", ID),
    ("AddRecorderRequest.host", TITLE),
    ("AddRecorderRequest.id", ID),
    ("AddRecorderRequest.password", TITLE),
    ("AddRecorderRequest.title", TITLE),
    ("AddRecorderRequest.trust", one(100)),
    ("AddRecorderRequest.user", TITLE),
    ("AddRecordingsRequest.camera_id", ID),
    ("AddRecordingsRequest.recorder_id", ID),
    ("AddressAsked.outcome", ID),
    ("AddressAsked.reason", TEXT),
    ("AuthoriseCaseRequest.case_id", ID),
    ("AuthoriseCaseRequest.signature", ID),
    ("CameraPolicy.purposes", WORDS),
    ("CameraRow.agency_id", ID),
    ("CameraRow.id", ID),
    ("CameraRow.onvif", TITLE),
    ("CameraRow.onvif_profile", TITLE),
    ("CameraRow.title", TITLE),
    ("CameraRow.trust", one(100)),
    ("CameraRow.url", PATH),
    ("CameraRow.zone", ID),
    ("CameraStatus.agency_id", ID),
    ("CameraStatus.camera_id", ID),
    ("CameraStatus.reason", TEXT),
    ("CameraStatus.worker", TITLE),
    ("CameraStatusRequest.agency_id", ID),
    ("CameraStatusRequest.page_token", TOKEN),
    ("CancelJobRequest.job_id", ID),
    ("CloseCaseRequest.case_id", ID),
    ("CloseCaseRequest.reason", TEXT),
    ("ConfirmHoldRequest.hold_id", ID),
    ("Description.carrying", many(64, 64)),
    ("DescriptionQuery.carrying", WORDS),
    ("ExportCamerasRequest.agency_id", ID),
    ("ExportCamerasRequest.page_token", TOKEN),
    // A photograph, as `SearchRequest.like_picture` may be.
    ("Example.picture", one(32 << 20)),
    ("Example.sighting_id", ID),
    ("ExportRequest.case_id", ID),
    ("GetCaseRequest.case_id", ID),
    ("GetCropRequest.case_id", ID),
    ("GetCropRequest.sighting_id", ID),
    ("GetJobRequest.job_id", ID),
    ("ImportCamerasRequest.cameras", many(5_000, 8_000)),
    ("LeaseCamerasRequest.camera_ids", many(WATCHED, 64)),
    ("LeaseCamerasRequest.cameras", many(WATCHED, 8_000)),
    ("LeaseCamerasRequest.released_ids", many(WATCHED, 64)),
    ("LeaseCamerasRequest.worker_id", ID),
    ("ListAuditRequest.action", ID),
    ("ListAuditRequest.case_id", ID),
    ("ListAuditRequest.outcome", ID),
    ("ListAuditRequest.page_token", TOKEN),
    ("ListCameraAccessesRequest.camera_id", ID),
    ("ListCameraAccessesRequest.page_token", TOKEN),
    ("ListCamerasRequest.agency_id", ID),
    ("ListCamerasRequest.page_token", TOKEN),
    ("ListCaseCallsRequest.case_id", ID),
    ("ListCaseCallsRequest.page_token", TOKEN),
    ("ListCasesRequest.page_token", TOKEN),
    ("ListDeletionsRequest.page_token", TOKEN),
    ("ListHoldsRequest.case_id", ID),
    ("ListHoldsRequest.page_token", TOKEN),
    ("ListJobsRequest.page_token", TOKEN),
    ("ListMarksRequest.case_id", ID),
    ("ListMarksRequest.page_token", TOKEN),
    ("ListRecordingsRequest.recorder_id", ID),
    ("MapRecordingRequest.camera_id", ID),
    ("MapRecordingRequest.recorder_id", ID),
    ("MapRecordingRequest.recording", one(200)),
    ("MarkChange.sighting_id", ID),
    ("PasskeyAssertion.authenticator_data", ID),
    ("PasskeyAssertion.client_data", one(4_096)),
    ("PasskeyAssertion.signature", one(256)),
    ("OpenCaseRequest.emergency", one(8_000)),
    ("OpenCaseRequest.id", ID),
    ("OpenCaseRequest.legal_basis", one(8_000)),
    ("OpenCaseRequest.reason", one(8_000)),
    ("Party.name", ID),
    ("Party.organisation", ID),
    ("PauseCameraRequest.camera_id", ID),
    ("PlaceHoldRequest.camera_ids", IDS),
    ("PlaceHoldRequest.case_id", ID),
    ("PlaceHoldRequest.id", ID),
    ("PlaceHoldRequest.reason", TEXT),
    ("PurposeList.purposes", WORDS),
    ("PushRequest.appearance", many(8_192, 4)),
    ("PushRequest.crop", one(256 << 10)),
    ("PushRequest.model_sha256", ID),
    ("PushRequest.worker_id", ID),
    ("ReachQuery.from_sighting_id", ID),
    ("PreviewCaseRequest.case_id", ID),
    ("RefuseCaseRequest.case_id", ID),
    ("RefuseCaseRequest.reason", TEXT),
    ("ReleaseHoldRequest.hold_id", ID),
    ("ReleaseHoldRequest.reason", TEXT),
    ("RemoveFootageRequest.job_id", ID),
    ("RemoveRecorderRequest.recorder_id", ID),
    ("ResumeCameraRequest.camera_id", ID),
    ("RetryJobRequest.job_id", ID),
    ("RevokeCameraRequest.camera_id", ID),
    ("RevokeCertificateRequest.serial", ID),
    ("RevokeCertificateRequest.uri", TITLE),
    ("Scope.agency_ids", IDS),
    ("Scope.camera_ids", IDS),
    ("Scope.classes", WORDS),
    ("Scope.parts", WORDS),
    ("SearchRequest.camera_ids", IDS),
    ("SearchRequest.case_id", ID),
    // A photograph; how long a message may be is configured.
    ("SearchRequest.like", many(20, 33 << 20)),
    ("SearchRequest.like_picture", one(32 << 20)),
    ("SearchRequest.like_sighting_id", ID),
    ("SearchRequest.page_token", TOKEN),
    ("SearchRequest.unlike", many(100, 33 << 20)),
    ("SetCameraPolicyRequest.camera_id", ID),
    ("SetCameraSourceRequest.camera_id", ID),
    ("SetCameraSourceRequest.onvif", TITLE),
    ("SetCameraSourceRequest.onvif_profile", TITLE),
    ("SetCameraSourceRequest.trust", one(100)),
    ("SetCameraSourceRequest.url", PATH),
    ("SetMarksRequest.case_id", ID),
    ("SetMarksRequest.changes", many(200, 200)),
    ("Sighting.agency_id", ID),
    ("Sighting.camera_id", ID),
    ("Sighting.footage_sha256", ID),
    ("Sighting.id", ID),
    ("SightingSelection.sighting_ids", IDS),
    ("StartReindexRequest.appearance_path", PATH),
    ("StartReindexRequest.embedder", TITLE),
    ("WatchJobRequest.job_id", ID),
];

/// A field as the descriptors and the table have it.
#[derive(Debug)]
struct Field {
    name: String,
    kind: Kind,
    repeated: bool,
    /// `None`: a number or a message that comes once.
    bound: Option<Bound>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Bytes,
    /// By its name, without the package.
    Message(String),
    Varint,
    /// So many bytes each.
    Fixed(usize),
}

type Fields = HashMap<u32, Field>;

/// Every message of ours by its name.
static MESSAGES: LazyLock<HashMap<String, Fields>> = LazyLock::new(|| {
    let bounds: HashMap<&str, Bound> = BOUNDS.iter().copied().collect();
    // What this program itself was built with.
    let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap_or_default().file;
    let own = files.into_iter().filter(|f| f.package() == "sightline.v1");
    own.flat_map(|f| f.message_type)
        .map(|message| {
            let field = |f: prost_types::FieldDescriptorProto| {
                let kind = match f.r#type() {
                    Type::String | Type::Bytes => Kind::Bytes,
                    Type::Message | Type::Group => Kind::Message(f.type_name().rsplit('.').next().unwrap_or_default().to_owned()),
                    Type::Double | Type::Fixed64 | Type::Sfixed64 => Kind::Fixed(8),
                    Type::Float | Type::Fixed32 | Type::Sfixed32 => Kind::Fixed(4),
                    _ => Kind::Varint,
                };
                let name = format!("{}.{}", message.name(), f.name());
                let repeated = f.label() == prost_types::field_descriptor_proto::Label::Repeated;
                let bound = bounds.get(name.as_str()).copied();
                (f.number().unsigned_abs(), Field { name, kind, repeated, bound })
            };
            (message.name().to_owned(), message.field.iter().cloned().map(field).collect())
        })
        .collect()
});

/// A field of a request that holds more than it may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooLarge {
    /// A repeated field is there too often.
    #[error("{field} names more than {most} of them")]
    Items {
        /// The field, by the message it is in.
        field: String,
        /// How often it may be.
        most: usize,
    },
    /// A text or bytes are too long.
    #[error("{field} is longer than {most} bytes")]
    Bytes {
        /// The field, by the message it is in.
        field: String,
        /// Bytes that it may have.
        most: usize,
    },
    /// Messages lie in each other more often than any of this interface do.
    #[error("a message has others in it too many times over")]
    Deep,
    /// A decoder would put them together, and each alone might be within its bound.
    #[error("{field} comes in several pieces")]
    Pieces {
        /// The field, by the message it is in.
        field: String,
    },
    /// A decoder skips them; this interface has none.
    #[error("a message has a group in it, which none of this interface has")]
    Group,
}

/// Messages in each other; ours are five deep at most.
const DEPTH: usize = 12;

/// Holds the bytes of a message against the table. What can't be read is for the decoder to refuse.
///
/// # Errors
/// [`TooLarge`], which names the first field that is.
pub fn check(message: &str, bytes: &[u8]) -> Result<(), TooLarge> {
    MESSAGES.get(message).map_or(Ok(()), |fields| walk(fields, bytes, 0))
}

fn walk(fields: &Fields, mut bytes: &[u8], depth: usize) -> Result<(), TooLarge> {
    if depth > DEPTH {
        return Err(TooLarge::Deep);
    }
    let mut counts: HashMap<u32, usize> = HashMap::new();
    let mut messages: HashSet<u32> = HashSet::new();
    while !bytes.is_empty() {
        let Some(tag) = varint(&mut bytes) else { return Ok(()) };
        let Ok(number) = u32::try_from(tag >> 3) else { return Ok(()) };
        let value = match tag & 7 {
            0 => varint(&mut bytes).map(|_| &bytes[..0]),
            1 => take(&mut bytes, 8),
            2 => varint(&mut bytes).and_then(|len| take(&mut bytes, usize::try_from(len).ok()?)),
            5 => take(&mut bytes, 4),
            // What follows would be decoded.
            3 | 4 => return Err(TooLarge::Group),
            _ => None,
        };
        let Some(value) = value else { return Ok(()) };
        let Some(field) = fields.get(&number) else { continue };
        let packed = tag & 7 == 2;
        if packed && !field.repeated && matches!(field.kind, Kind::Message(_)) && !messages.insert(number) {
            return Err(TooLarge::Pieces { field: field.name.clone() });
        }
        let items = match (&field.kind, packed) {
            (Kind::Varint, true) => value.iter().filter(|byte| **byte < 0x80).count(),
            (Kind::Fixed(width), true) => value.len().div_ceil(*width),
            _ => 1,
        };
        if let Some(bound) = field.bound {
            let count = counts.entry(number).or_default();
            *count += items;
            // The last of several counts where a field comes once.
            if field.repeated && *count > bound.items {
                return Err(TooLarge::Items { field: field.name.clone(), most: bound.items });
            }
            if matches!(field.kind, Kind::Bytes | Kind::Message(_)) && value.len() > bound.bytes {
                return Err(TooLarge::Bytes { field: field.name.clone(), most: bound.bytes });
            }
        }
        if let (Kind::Message(name), true) = (&field.kind, packed)
            && let Some(fields) = MESSAGES.get(name)
        {
            walk(fields, value, depth + 1)?;
        }
    }
    Ok(())
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if *first < 0x80 {
            return Some(value);
        }
    }
    None
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(taken)
}

/// Protobuf, with every request held against the table before it is decoded.
#[derive(Debug, Clone)]
pub struct BoundedCodec<T, U>(ProstCodec<T, U>);

impl<T, U> Default for BoundedCodec<T, U> {
    fn default() -> Self {
        Self(ProstCodec::default())
    }
}

impl<T, U> Codec for BoundedCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = BoundedDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        self.0.encoder()
    }

    fn decoder(&mut self) -> Self::Decoder {
        BoundedDecoder { inner: self.0.decoder(), message: PhantomData }
    }
}

/// See [`BoundedCodec`].
#[derive(Debug)]
pub struct BoundedDecoder<U> {
    inner: ProstDecoder<U>,
    message: PhantomData<U>,
}

impl<U: Message + Default> Decoder for BoundedDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let name = name_of::<U>();
        if name.ends_with("Request") {
            // tonic has a message in one piece; where it had not, what is not seen would not be bounded.
            if buf.chunk().len() != buf.remaining() {
                return Err(Status::internal("a message came in pieces"));
            }
            check(name, buf.chunk())?;
        }
        self.inner.decode(buf)
    }

    fn buffer_settings(&self) -> tonic::codec::BufferSettings {
        self.inner.buffer_settings()
    }
}

/// The name of a message's type, without what lies around it. A test holds it against the descriptors.
fn name_of<U>() -> &'static str {
    std::any::type_name::<U>().rsplit("::").next().unwrap_or_default()
}

impl From<TooLarge> for Status {
    fn from(large: TooLarge) -> Self {
        status(Code::InvalidArgument, &large.to_string(), TOO_LARGE, "ask for less, or in several parts")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::v1;

    /// Requests and all that may be in them.
    fn reachable() -> BTreeSet<&'static str> {
        let mut reached: BTreeSet<&str> = MESSAGES.keys().map(String::as_str).filter(|m| m.ends_with("Request")).collect();
        assert!(reached.len() > 40);
        loop {
            let more: Vec<&str> = reached
                .iter()
                .flat_map(|m| MESSAGES[*m].values())
                .filter_map(|f| match &f.kind {
                    Kind::Message(name) => MESSAGES.get_key_value(name).map(|(name, _)| name.as_str()),
                    _ => None,
                })
                .filter(|name| !reached.contains(name))
                .collect();
            if more.is_empty() {
                return reached;
            }
            reached.extend(more);
        }
    }

    #[test]
    fn every_field_of_every_request_that_can_grow_has_a_bound_and_no_bound_is_of_nothing() {
        let fields = reachable().into_iter().flat_map(|m| MESSAGES[m].values());
        let growing: BTreeSet<&str> = fields.filter(|f| f.repeated || f.kind == Kind::Bytes).map(|f| f.name.as_str()).collect();
        let bounded: BTreeSet<&str> = BOUNDS.iter().map(|(name, _)| *name).collect();
        assert_eq!(bounded.len(), BOUNDS.len(), "a field has two bounds");
        let (without, of_nothing): (Vec<_>, Vec<_>) =
            (growing.difference(&bounded).collect(), bounded.difference(&growing).collect());
        assert!(without.is_empty() && of_nothing.is_empty(), "no bound: {without:?}; no such field: {of_nothing:?}");
    }

    #[test]
    fn a_message_in_several_pieces_is_no_way_around_a_bound() {
        let piece = |cameras: usize| {
            let scope = v1::Scope { camera_ids: vec!["quay".into(); cameras], ..Default::default() };
            v1::OpenCaseRequest { scope: Some(scope), ..Default::default() }.encode_to_vec()
        };
        let twice = [piece(600), piece(600)].concat();
        // A decoder makes one of the two.
        let decoded = v1::OpenCaseRequest::decode(&*twice).unwrap();
        assert_eq!(decoded.scope.unwrap().camera_ids.len(), 1_200);
        let refused = Err(TooLarge::Pieces { field: "OpenCaseRequest.scope".to_owned() });
        assert_eq!((check("OpenCaseRequest", &piece(600)), check("OpenCaseRequest", &twice)), (Ok(()), refused));
    }

    #[test]
    fn nothing_that_a_decoder_skips_hides_what_follows_from_the_bounds() {
        let many = v1::SearchRequest { camera_ids: vec!["quay".into(); 1_001], ..Default::default() }.encode_to_vec();
        // Field 2047: a group with nothing in it, a number, a text.
        for skipped in [&[0xfb, 0x7f, 0xfc, 0x7f][..], &[0xf8, 0x7f, 1], &[0xfa, 0x7f, 1, b'x']] {
            let message = [skipped, &many].concat();
            assert!(v1::SearchRequest::decode(&*message).is_ok_and(|decoded| decoded.camera_ids.len() == 1_001));
            assert!(check("SearchRequest", &message).is_err(), "{skipped:?}");
        }
    }

    #[test]
    fn one_more_than_a_field_may_hold_is_refused_by_its_name_and_as_much_as_it_may_is_not() {
        let search = |cameras: usize, bytes: usize| {
            let camera_ids = vec!["c".repeat(bytes); cameras];
            check("SearchRequest", &v1::SearchRequest { camera_ids, ..Default::default() }.encode_to_vec())
        };
        assert_eq!(search(1_000, 64), Ok(()));
        let field = || "SearchRequest.camera_ids".to_owned();
        assert_eq!(search(60_000, 4), Err(TooLarge::Items { field: field(), most: 1_000 }));
        assert_eq!(search(1, 65), Err(TooLarge::Bytes { field: field(), most: 64 }));
        // In another message, and in packed form.
        let scope = v1::Scope { classes: vec![1; 65], ..Default::default() };
        let open = v1::OpenCaseRequest { scope: Some(scope), ..Default::default() };
        let most = 64;
        let refused = Err(TooLarge::Items { field: "Scope.classes".to_owned(), most });
        assert_eq!(check("OpenCaseRequest", &open.encode_to_vec()), refused);
        let vector =
            |n| check("PushRequest", &v1::PushRequest { appearance: vec![0.5; n], ..Default::default() }.encode_to_vec());
        assert_eq!(vector(8_192), Ok(()));
        assert!(vector(8_193).is_err());
        // What is there twice counts each time.
        let half = v1::SearchRequest { camera_ids: vec!["c".into(); 600], ..Default::default() }.encode_to_vec();
        assert!(check("SearchRequest", &[half.clone(), half].concat()).is_err());
    }

    #[test]
    fn requests_are_known_by_their_types_and_bytes_that_are_no_message_are_left_to_the_decoder() {
        assert_eq!(name_of::<v1::SearchRequest>(), "SearchRequest");
        assert!(MESSAGES.contains_key(name_of::<v1::PushRequest>()));
        for bytes in [&[0xff; 64][..], &[0x0a, 0xff], &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]] {
            assert_eq!(check("SearchRequest", bytes), Ok(()));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_fail(bytes: Vec<u8>) {
            let _ = (check("OpenCaseRequest", &bytes), check("LeaseCamerasRequest", &bytes));
        }
    }
}
