//! The envelope around a call, and what comes back in one.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, SecondsFormat, Utc};
use sha1::{Digest as _, Sha1};

use crate::{
    Call,
    xml::{self, Node, NotRead, escaped},
};

const SECURITY: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const UTILITY: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const DIGEST: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest";
const BASE64: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary";

/// A whole message. `token`: the header that [`token`] makes, or nothing.
pub(crate) fn envelope(call: &Call, token: &str) -> String {
    let header = if token.is_empty() { String::new() } else { format!("<s:Header>{token}</s:Header>") };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\">{header}<s:Body>{}</s:Body></s:Envelope>",
        call.body()
    )
}

/// WS-UsernameToken with a digest of the password. `at`: by the device's own clock, or it takes us for somebody who repeats.
pub(crate) fn token(user: &str, password: &str, at: DateTime<Utc>) -> String {
    // Longer ones are refused by some.
    let nonce: [u8; 16] = rand::random();
    signed(user, password, &nonce, &at.to_rfc3339_opts(SecondsFormat::Millis, true))
}

fn signed(user: &str, password: &str, nonce: &[u8], created: &str) -> String {
    let digest = Sha1::new().chain_update(nonce).chain_update(created).chain_update(password).finalize();
    format!(
        "<w:Security s:mustUnderstand=\"1\" xmlns:w=\"{SECURITY}\"><w:UsernameToken><w:Username>{}</w:Username>\
         <w:Password Type=\"{DIGEST}\">{}</w:Password><w:Nonce EncodingType=\"{BASE64}\">{}</w:Nonce>\
         <u:Created xmlns:u=\"{UTILITY}\">{created}</u:Created></w:UsernameToken></w:Security>",
        escaped(user),
        STANDARD.encode(digest),
        STANDARD.encode(nonce),
    )
}

/// What stands in an envelope.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Inside {
    /// What was asked for.
    Response(Node),
    NotAuthorized,
    /// For people, in one line.
    Fault(String),
}

pub(crate) fn inside(bytes: &[u8], call: &Call) -> Result<Inside, NotRead> {
    let whole = xml::read(bytes)?;
    if let Some(fault) = whole.find("Fault") {
        return Ok(fault_of(fault));
    }
    let response = format!("{}Response", call.name());
    // Some leave the envelope out.
    if whole.name() == response {
        return Ok(Inside::Response(whole));
    }
    match whole.find(&response) {
        Some(node) => Ok(Inside::Response(node.clone())),
        None => Ok(Inside::Fault("it answers something else".into())),
    }
}

fn fault_of(fault: &Node) -> Inside {
    let codes = fault.all("Value").into_iter().chain(fault.all("faultcode")).map(Node::text).collect::<Vec<_>>();
    let texts = ["Text", "faultstring", "Reason"].iter().filter_map(|name| fault.value(name)).collect::<Vec<_>>();
    let all = codes.iter().chain(&texts).map(|text| text.to_ascii_lowercase().replace([' ', '_', '-'], "")).collect::<Vec<_>>();
    let means = ["notauthorized", "notauthorised", "unauthorized", "failedauthentication", "authorityfailure", "invalidsecurity"];
    if all.iter().any(|text| means.iter().any(|word| text.contains(word))) {
        return Inside::NotAuthorized;
    }
    let code = codes.last().copied().unwrap_or_default();
    let text = texts.first().copied().unwrap_or_default();
    let told = if text.is_empty() { code.to_owned() } else { format!("{text} ({code})") };
    Inside::Fault(told.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of ONVIF's own core specification, as its programmer's guide computes it.
    #[test]
    fn a_known_token_comes_out() {
        let nonce = STANDARD.decode("LKqI6G/AikKCQrN0zqZFlg==").unwrap();
        let token = signed("user", "userpassword", &nonce, "2010-09-16T07:50:45Z");
        assert!(token.contains("tuOSpGlFlIXsozq4HFNeeGeFLEI="), "{token}");
    }

    #[test]
    fn faults_are_told_from_a_missing_right() {
        let fault = |inner: &str| {
            let text = format!("<E><B><env:Fault>{inner}</env:Fault></B></E>");
            inside(text.as_bytes(), &Call::GetServices).unwrap()
        };
        for text in [
            "<Code><Value>env:Sender</Value><Subcode><Value>ter:NotAuthorized</Value></Subcode></Code>",
            "<Reason><Text>Sender not Authorized</Text></Reason>",
            "<faultcode>wsse:FailedAuthentication</faultcode>",
            "<Reason><Text>Authority failure</Text></Reason>",
        ] {
            assert_eq!(fault(text), Inside::NotAuthorized, "{text}");
        }
        let other = "<Code><Value>env:Receiver</Value><Subcode><Value>ter:ActionNotSupported</Value></Subcode></Code><Reason><Text>no\nsuch</Text></Reason>";
        assert_eq!(fault(other), Inside::Fault("no such (ter:ActionNotSupported)".into()));
    }
}
