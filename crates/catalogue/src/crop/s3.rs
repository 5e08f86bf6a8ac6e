//! Crops in a bucket of S3-compatible storage.

use std::{fmt, fs, path::Path, sync::Arc, time::Duration};

use object_store::{
    ClientOptions, Error, ObjectStore, RetryConfig, aws::AmazonS3Builder, path::Path as Key, prefix::PrefixStore,
};

use super::CropFault;
use crate::CatalogueError;

/// Of one request. A batch of crops is written while a change of the catalogue waits, so none may take for long.
const TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Of a request with all its repetitions.
const PATIENCE: Duration = Duration::from_secs(20);
const REPETITIONS: usize = 5;

/// A bucket, or the part of it under a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Place {
    bucket: String,
    prefix: Key,
    /// Nothing: Amazon's own.
    endpoint: Option<String>,
    region: String,
}

/// Why [`S3Place::parse`] takes a place for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceFault {
    /// The text is not `s3://bucket/prefix`.
    Url,
    /// The endpoint is not the scheme, host and port of a server.
    Endpoint,
    /// Crops would go over the network for everybody to see.
    Clear,
}

impl S3Place {
    /// `url` as `s3://bucket/prefix`; an empty `endpoint` means Amazon's.
    ///
    /// # Errors
    /// [`PlaceFault`], which says what is wrong with it.
    pub fn parse(url: &str, endpoint: &str, region: &str) -> Result<Self, PlaceFault> {
        let path = url.strip_prefix("s3://").ok_or(PlaceFault::Url)?;
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
        if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(word) {
            return Err(PlaceFault::Url);
        }
        let prefix = Key::parse(prefix.trim_end_matches('/')).map_err(|_| PlaceFault::Url)?;
        if !endpoint.is_empty() {
            check_endpoint(endpoint)?;
        }
        let endpoint = (!endpoint.is_empty()).then(|| endpoint.trim_end_matches('/').to_owned());
        Ok(Self { bucket: bucket.to_owned(), prefix, endpoint, region: region.to_owned() })
    }

    fn is_clear(&self) -> bool {
        self.endpoint.as_ref().is_some_and(|e| e.starts_with("http://"))
    }
}

impl fmt::Display for S3Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        if !self.prefix.as_ref().is_empty() {
            write!(f, "/{}", self.prefix)?;
        }
        self.endpoint.as_ref().map_or(Ok(()), |endpoint| write!(f, " at {endpoint}"))
    }
}

/// Whether what is said to a host, as a URL has it but for brackets, stays here.
pub(crate) fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// TLS, but to this machine.
fn check_endpoint(endpoint: &str) -> Result<(), PlaceFault> {
    let (scheme, rest) = endpoint.split_once("://").ok_or(PlaceFault::Endpoint)?;
    let authority = rest.trim_end_matches('/');
    let host = match authority.strip_prefix('[') {
        Some(six) => six.split_once(']').ok_or(PlaceFault::Endpoint)?.0,
        None => authority.split_once(':').map_or(authority, |(host, _)| host),
    };
    // A path, a password or a question has no place here.
    if host.is_empty() || authority.contains(['/', '@', '?', '#']) || authority.contains(char::is_whitespace) {
        return Err(PlaceFault::Endpoint);
    }
    let here = is_this_machine(host);
    match scheme {
        "https" => Ok(()),
        "http" if here => Ok(()),
        "http" => Err(PlaceFault::Clear),
        _ => Err(PlaceFault::Endpoint),
    }
}

/// By what a bucket knows us. Shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Credentials {
    key: String,
    secret: String,
    token: Option<String>,
}

impl fmt::Debug for S3Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("S3Credentials(..)")
    }
}

impl S3Credentials {
    /// Of an access key's id and its secret.
    pub fn new(key: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { key: key.into(), secret: secret.into(), token: None }
    }

    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, if there is one, `AWS_SESSION_TOKEN`.
    ///
    /// # Errors
    /// [`CatalogueError::Invalid`] where one is missing.
    pub fn from_env() -> Result<Self, CatalogueError> {
        let set = |name| std::env::var(name).ok().filter(|v| !v.is_empty());
        match (set("AWS_ACCESS_KEY_ID"), set("AWS_SECRET_ACCESS_KEY")) {
            (Some(key), Some(secret)) => Ok(Self { key, secret, token: set("AWS_SESSION_TOKEN") }),
            _ => Err(CatalogueError::invalid(
                "the crop store needs credentials; name a file with crops.credentials, or set both of",
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            )),
        }
    }

    /// The `[default]` of a file as AWS's own tools have it: `aws_access_key_id`, `aws_secret_access_key` and, if there is
    /// one, `aws_session_token`.
    ///
    /// # Errors
    /// [`CatalogueError::Io`] where the file can't be read; [`CatalogueError::Invalid`] where it has no credentials.
    pub fn from_file(file: &Path) -> Result<Self, CatalogueError> {
        let text = fs::read_to_string(file).map_err(|source| CatalogueError::Io {
            action: "read the crop store's credentials",
            path: file.to_owned(),
            source,
        })?;
        // The text itself is never repeated.
        Self::parse(&text).ok_or_else(|| {
            CatalogueError::invalid(
                "no aws_access_key_id and aws_secret_access_key under [default] in",
                &file.display().to_string(),
            )
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let (mut key, mut secret, mut token, mut ours) = (None, None, None, true);
        for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with(['#', ';'])) {
            if line.starts_with('[') {
                ours = line == "[default]";
                continue;
            }
            let Some((name, value)) = line.split_once('=').filter(|_| ours) else { continue };
            let value = Some(value.trim().to_owned()).filter(|v| !v.is_empty());
            match name.trim() {
                "aws_access_key_id" => key = value,
                "aws_secret_access_key" => secret = value,
                "aws_session_token" => token = value,
                _ => {}
            }
        }
        Some(Self { key: key?, secret: secret?, token })
    }
}

pub(super) fn connect(place: &S3Place, credentials: &S3Credentials) -> Result<Arc<dyn ObjectStore>, CatalogueError> {
    // The one TLS library of this program; somebody may have said so before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = ClientOptions::new()
        .with_timeout(TIMEOUT)
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_default_content_type("image/jpeg")
        .with_allow_http(place.is_clear());
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&place.bucket)
        .with_region(&place.region)
        .with_access_key_id(&credentials.key)
        .with_secret_access_key(&credentials.secret)
        .with_client_options(options)
        .with_retry(RetryConfig { max_retries: REPETITIONS, retry_timeout: PATIENCE, ..RetryConfig::default() });
    if let Some(token) = &credentials.token {
        builder = builder.with_token(token);
    }
    if let Some(endpoint) = &place.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    let store = builder.build().map_err(|e| CatalogueError::crops("prepare the crop store's client", e))?;
    Ok(Arc::new(PrefixStore::new(store, place.prefix.clone())))
}

pub(super) fn no_bucket(error: &Error) -> bool {
    code(&error.to_string()).as_deref() == Some("NoSuchBucket")
}

/// What is wrong, and what the store said: its code alone, since its words repeat keys and signatures.
pub(super) fn explain(error: &Error) -> (CropFault, String) {
    let text = error.to_string();
    let code = code(&text);
    let fault = match (error, code.as_deref()) {
        (_, Some("NoSuchBucket")) => CropFault::NoBucket,
        (_, Some("InvalidAccessKeyId" | "NotSignedUp" | "SignatureDoesNotMatch" | "InvalidToken" | "ExpiredToken"))
        | (Error::Unauthenticated { .. }, _) => CropFault::Credentials,
        (_, Some("RequestTimeTooSkewed")) => CropFault::Clock,
        (Error::PermissionDenied { .. }, _) => CropFault::Refused,
        (_, Some("ServiceUnavailable" | "SlowDown")) => CropFault::Away,
        (_, Some(_)) => CropFault::Failed,
        _ if text.contains("status code") => CropFault::Failed,
        _ => CropFault::Away,
    };
    let said = code.unwrap_or_else(|| text.split('<').next().unwrap_or_default().trim().chars().take(300).collect());
    (fault, said)
}

/// The `<Code>` of an answer, if an error of `object_store`'s has one in it.
fn code(text: &str) -> Option<String> {
    Some(text.split_once("<Code>")?.1.split_once("</Code>")?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_bucket_with_or_without_a_prefix_and_shows_no_more_than_that() {
        for (url, endpoint, shown) in [
            ("s3://crops", "", "s3://crops"),
            ("s3://crops/", "", "s3://crops"),
            ("s3://crops/city/north", "https://s3.example:9000/", "s3://crops/city/north at https://s3.example:9000"),
            ("s3://crops", "http://127.0.0.1:9000", "s3://crops at http://127.0.0.1:9000"),
            ("s3://crops", "http://[::1]:9000", "s3://crops at http://[::1]:9000"),
        ] {
            assert_eq!(S3Place::parse(url, endpoint, "us-east-1").unwrap().to_string(), shown);
        }
        for (url, endpoint, fault) in [
            ("crops", "", PlaceFault::Url),
            ("s3://", "", PlaceFault::Url),
            ("s3://Crops", "", PlaceFault::Url),
            ("s3://crops/a//b", "", PlaceFault::Url),
            ("s3://crops", "s3.example", PlaceFault::Endpoint),
            ("s3://crops", "ftp://s3.example", PlaceFault::Endpoint),
            ("s3://crops", "https://key:s3cret@s3.example", PlaceFault::Endpoint),
            ("s3://crops", "http://s3.example", PlaceFault::Clear),
            ("s3://crops", "http://10.0.0.1:9000", PlaceFault::Clear),
        ] {
            assert_eq!(S3Place::parse(url, endpoint, "us-east-1"), Err(fault), "{url} {endpoint}");
        }
    }

    #[test]
    fn credentials_come_from_the_default_of_a_file_and_are_never_shown() {
        let text = "# ours\n[other]\naws_access_key_id = no\n[default]\naws_access_key_id = AK\naws_secret_access_key=s3/cr=et\n";
        let read = S3Credentials::parse(text).unwrap();
        assert_eq!(read, S3Credentials::new("AK", "s3/cr=et"));
        assert_eq!(format!("{read:?}"), "S3Credentials(..)");
        assert_eq!(S3Credentials::parse("aws_access_key_id = AK\naws_secret_access_key =\n"), None);
    }

    #[test]
    fn what_a_store_answers_is_told_by_its_code_alone() {
        let body = "<Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>AK</AWSAccessKeyId></Error>";
        let source = format!("Server returned non-2xx status code: 403 Forbidden: {body}");
        let error = Error::PermissionDenied { path: "x".to_owned(), source: source.into() };
        assert_eq!(explain(&error), (CropFault::Credentials, "SignatureDoesNotMatch".to_owned()));
        let error = Error::Generic { store: "S3", source: "error sending request: connection refused".into() };
        assert_eq!(explain(&error).0, CropFault::Away);
    }
}
