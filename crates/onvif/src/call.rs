//! Everything that can be sent. There is no other way to make a message: none that changes a device can be made.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::xml::escaped;

/// A question to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// What its clock says; by the book nobody needs a password for it.
    GetSystemDateAndTime,
    /// Which services it has, and where.
    GetServices,
    /// The same, of devices that know no other way.
    GetCapabilities,
    /// Who made it, and which model and firmware it is.
    GetDeviceInformation,
    /// Of Media2: H.265 is named there alone.
    GetProfiles2,
    /// Of Media2: where the stream of a profile is.
    GetStreamUri2 {
        /// The token of the profile.
        profile: String,
    },
    /// Of Media1.
    GetProfiles1,
    /// Of Media1: where the stream of a profile is.
    GetStreamUri1 {
        /// The token of the profile.
        profile: String,
    },
    /// Of a recorder: how much it holds at all.
    GetRecordingSummary,
    /// Begins a search for all recordings, which ends by itself.
    FindRecordings,
    /// What a search for recordings has found so far.
    GetRecordingSearchResults {
        /// The token of the search.
        search: String,
    },
    /// From when to when a recording goes, and its tracks.
    GetRecordingInformation {
        /// The token of the recording.
        recording: String,
    },
    /// Begins a search for the moments at which footage begins and ends, which ends by itself.
    FindEvents {
        /// The token of the recording.
        recording: String,
        /// By the recorder's clock.
        from: DateTime<Utc>,
        /// By the recorder's clock.
        to: DateTime<Utc>,
    },
    /// What a search for such moments has found so far.
    GetEventSearchResults {
        /// The token of the search.
        search: String,
    },
    /// Where a recording is played.
    GetReplayUri {
        /// The token of the recording.
        recording: String,
    },
}

const DEVICE: &str = "http://www.onvif.org/ver10/device/wsdl";
pub(crate) const MEDIA1: &str = "http://www.onvif.org/ver10/media/wsdl";
pub(crate) const MEDIA2: &str = "http://www.onvif.org/ver20/media/wsdl";
pub(crate) const SEARCH: &str = "http://www.onvif.org/ver10/search/wsdl";
pub(crate) const REPLAY: &str = "http://www.onvif.org/ver10/replay/wsdl";
/// What says that footage begins or ends.
const FOOTAGE: &str = "<c:SearchFilter xmlns:b=\"http://docs.oasis-open.org/wsn/b-2\" xmlns:tns1=\"http://www.onvif.org/ver10/topics\">\
     <b:TopicExpression Dialect=\"http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet\">tns1:RecordingHistory/Track/State\
     </b:TopicExpression></c:SearchFilter>";
/// How long a search lives that nobody asks about any more: none is ended by us, since that is no question.
const KEPT: &str = "<c:KeepAliveTime>PT30S</c:KeepAliveTime>";
/// Of one answer.
const PAGE: &str = "<c:MinResults>1</c:MinResults><c:MaxResults>100</c:MaxResults><c:WaitTime>PT2S</c:WaitTime>";

impl Call {
    /// One of each, for whoever wants to know what can be sent.
    pub fn each() -> Vec<Self> {
        let profile = || "profile".to_owned();
        let all = vec![
            Self::GetSystemDateAndTime,
            Self::GetServices,
            Self::GetCapabilities,
            Self::GetDeviceInformation,
            Self::GetProfiles2,
            Self::GetStreamUri2 { profile: profile() },
            Self::GetProfiles1,
            Self::GetStreamUri1 { profile: profile() },
            Self::GetRecordingSummary,
            Self::FindRecordings,
            Self::GetRecordingSearchResults { search: "search".to_owned() },
            Self::GetRecordingInformation { recording: "recording".to_owned() },
            Self::FindEvents { recording: "recording".to_owned(), from: DateTime::UNIX_EPOCH, to: DateTime::UNIX_EPOCH },
            Self::GetEventSearchResults { search: "search".to_owned() },
            Self::GetReplayUri { recording: "recording".to_owned() },
        ];
        debug_assert!(all.iter().all(|call| all.iter().filter(|other| call.place() == other.place()).count() == 1));
        all
    }

    /// A number of its own, so that a call that is added is missed in [`Self::each`].
    const fn place(&self) -> usize {
        match self {
            Self::GetSystemDateAndTime => 0,
            Self::GetServices => 1,
            Self::GetCapabilities => 2,
            Self::GetDeviceInformation => 3,
            Self::GetProfiles2 => 4,
            Self::GetStreamUri2 { .. } => 5,
            Self::GetProfiles1 => 6,
            Self::GetStreamUri1 { .. } => 7,
            Self::GetRecordingSummary => 8,
            Self::FindRecordings => 9,
            Self::GetRecordingSearchResults { .. } => 10,
            Self::GetRecordingInformation { .. } => 11,
            Self::FindEvents { .. } => 12,
            Self::GetEventSearchResults { .. } => 13,
            Self::GetReplayUri { .. } => 14,
        }
    }

    /// Its name in the standard.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::GetSystemDateAndTime => "GetSystemDateAndTime",
            Self::GetServices => "GetServices",
            Self::GetCapabilities => "GetCapabilities",
            Self::GetDeviceInformation => "GetDeviceInformation",
            Self::GetProfiles2 | Self::GetProfiles1 => "GetProfiles",
            Self::GetStreamUri2 { .. } | Self::GetStreamUri1 { .. } => "GetStreamUri",
            Self::GetRecordingSummary => "GetRecordingSummary",
            Self::FindRecordings => "FindRecordings",
            Self::GetRecordingSearchResults { .. } => "GetRecordingSearchResults",
            Self::GetRecordingInformation { .. } => "GetRecordingInformation",
            Self::FindEvents { .. } => "FindEvents",
            Self::GetEventSearchResults { .. } => "GetEventSearchResults",
            Self::GetReplayUri { .. } => "GetReplayUri",
        }
    }

    const fn namespace(&self) -> &'static str {
        match self {
            Self::GetSystemDateAndTime | Self::GetServices | Self::GetCapabilities | Self::GetDeviceInformation => DEVICE,
            Self::GetProfiles2 | Self::GetStreamUri2 { .. } => MEDIA2,
            Self::GetProfiles1 | Self::GetStreamUri1 { .. } => MEDIA1,
            Self::GetRecordingSummary
            | Self::FindRecordings
            | Self::GetRecordingSearchResults { .. }
            | Self::GetRecordingInformation { .. }
            | Self::FindEvents { .. }
            | Self::GetEventSearchResults { .. } => SEARCH,
            Self::GetReplayUri { .. } => REPLAY,
        }
    }

    /// What the action of SOAP 1.2 says.
    pub(crate) fn action(&self) -> String {
        format!("{}/{}", self.namespace(), self.name())
    }

    pub(crate) fn body(&self) -> String {
        let inside = match self {
            Self::GetSystemDateAndTime | Self::GetDeviceInformation | Self::GetProfiles1 | Self::GetRecordingSummary => {
                String::new()
            }
            Self::GetServices => "<c:IncludeCapability>false</c:IncludeCapability>".into(),
            Self::GetCapabilities => "<c:Category>All</c:Category>".into(),
            Self::GetProfiles2 => "<c:Type>VideoSource</c:Type><c:Type>VideoEncoder</c:Type>".into(),
            Self::GetStreamUri2 { profile } => {
                format!("<c:Protocol>RTSP</c:Protocol><c:ProfileToken>{}</c:ProfileToken>", escaped(profile))
            }
            Self::GetStreamUri1 { profile } => format!(
                "<c:StreamSetup><t:Stream xmlns:t=\"http://www.onvif.org/ver10/schema\">RTP-Unicast</t:Stream>\
                 <t:Transport xmlns:t=\"http://www.onvif.org/ver10/schema\"><t:Protocol>RTSP</t:Protocol></t:Transport>\
                 </c:StreamSetup><c:ProfileToken>{}</c:ProfileToken>",
                escaped(profile)
            ),
            // Some refuse a search without a scope.
            Self::FindRecordings => format!("<c:Scope></c:Scope>{KEPT}"),
            Self::GetRecordingSearchResults { search } | Self::GetEventSearchResults { search } => {
                format!("<c:SearchToken>{}</c:SearchToken>{PAGE}", escaped(search))
            }
            Self::GetRecordingInformation { recording } => {
                format!("<c:RecordingToken>{}</c:RecordingToken>", escaped(recording))
            }
            Self::FindEvents { recording, from, to } => format!(
                "<c:StartPoint>{}</c:StartPoint><c:EndPoint>{}</c:EndPoint><c:Scope>\
                 <t:IncludedRecordings xmlns:t=\"http://www.onvif.org/ver10/schema\">{}</t:IncludedRecordings></c:Scope>{FOOTAGE}\
                 <c:IncludeStartState>true</c:IncludeStartState>{KEPT}",
                written(*from),
                written(*to),
                escaped(recording)
            ),
            Self::GetReplayUri { recording } => format!(
                "<c:StreamSetup><t:Stream xmlns:t=\"http://www.onvif.org/ver10/schema\">RTP-Unicast</t:Stream>\
                 <t:Transport xmlns:t=\"http://www.onvif.org/ver10/schema\"><t:Protocol>RTSP</t:Protocol></t:Transport>\
                 </c:StreamSetup><c:RecordingToken>{}</c:RecordingToken>",
                escaped(recording)
            ),
        };
        format!("<c:{0} xmlns:c=\"{1}\">{inside}</c:{0}>", self.name(), self.namespace())
    }
}

fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_that_can_be_made_only_reads() {
        let all = Call::each();
        for (n, call) in all.iter().enumerate() {
            assert_eq!(call.place(), n, "Call::each has them in order, each once");
            assert!(call.name().starts_with("Get") || call.name().starts_with("Find"), "{call:?}");
            let body = call.body();
            assert!(body.starts_with(&format!("<c:{} ", call.name())), "{body}");
            crate::xml::read(body.as_bytes()).unwrap();
        }
        assert_eq!(all.len(), 15);
    }

    #[test]
    fn a_profiles_token_can_not_become_another_call() {
        let profile = "x</c:ProfileToken></c:GetStreamUri><c:SystemReboot/>&<".to_owned();
        for call in [Call::GetStreamUri1 { profile: profile.clone() }, Call::GetStreamUri2 { profile: profile.clone() }] {
            let body = crate::xml::read(call.body().as_bytes()).unwrap();
            assert_eq!(body.find("ProfileToken").unwrap().text(), profile);
            assert!(body.find("SystemReboot").is_none());
        }
    }

    #[test]
    fn a_recordings_or_a_searchs_token_can_not_become_another_call() {
        let token = || "x</c:RecordingToken></c:SearchToken></t:IncludedRecordings><c:DeleteRecording/>&<".to_owned();
        let at = DateTime::UNIX_EPOCH;
        for (call, name) in [
            (Call::GetReplayUri { recording: token() }, "RecordingToken"),
            (Call::GetRecordingInformation { recording: token() }, "RecordingToken"),
            (Call::FindEvents { recording: token(), from: at, to: at }, "IncludedRecordings"),
            (Call::GetRecordingSearchResults { search: token() }, "SearchToken"),
            (Call::GetEventSearchResults { search: token() }, "SearchToken"),
        ] {
            let body = crate::xml::read(call.body().as_bytes()).unwrap();
            assert_eq!(body.find(name).unwrap().text(), token());
            assert!(body.find("DeleteRecording").is_none());
        }
    }
}
