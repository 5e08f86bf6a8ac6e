//! An S3 server in the process of the test, over a folder: objects are files there, `<root>/<bucket>/<key>`.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
};

use hyper_util::rt::TokioIo;
use s3s::{S3, S3Request, S3Response, S3Result, auth::SimpleAuth, dto::*, s3_error, service::S3ServiceBuilder};
use s3s_fs::FileSystem;

pub(crate) const KEY: &str = "test-key";
pub(crate) const SECRET: &str = "test-s3cret";
/// Every object in it gets a version.
pub(crate) const VERSIONED: &str = "versioned";
/// Nobody may write into it.
pub(crate) const READ_ONLY: &str = "read-only";

/// The endpoint of the server over `root`, started by whoever asks first, in whichever process; it is there as long as that.
pub(crate) fn endpoint(root: &Path) -> String {
    let file = root.with_extension("port");
    let said = fs::read_to_string(&file).ok().and_then(|port| port.parse::<u16>().ok());
    let port = said.filter(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok()).unwrap_or_else(|| {
        let port = start(root);
        fs::write(&file, port.to_string()).unwrap();
        port
    });
    format!("http://127.0.0.1:{port}")
}

fn start(root: &Path) -> u16 {
    fs::create_dir_all(root).unwrap();
    let server = Server { files: FileSystem::new(root).unwrap(), root: root.to_owned() };
    let mut service = S3ServiceBuilder::new(server);
    service.set_auth(SimpleAuth::from_single(KEY, SECRET));
    let service = service.build();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service.clone());
                tokio::spawn(served);
            }
        });
    });
    port
}

/// What the file server has, with the refusals of a real one.
struct Server {
    files: FileSystem,
    root: PathBuf,
}

impl Server {
    fn check(&self, bucket: &str, writes: bool) -> S3Result<()> {
        if !self.root.join(bucket).is_dir() {
            return Err(s3_error!(NoSuchBucket));
        }
        if writes && bucket == READ_ONLY {
            return Err(s3_error!(AccessDenied));
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl S3 for Server {
    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let bucket = request.input.bucket.clone();
        self.check(&bucket, true)?;
        let mut done = self.files.put_object(request).await?;
        if bucket == VERSIONED {
            done.output.version_id = Some("v1".to_owned());
        }
        Ok(done)
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.check(&request.input.bucket, false)?;
        self.files.get_object(request).await
    }

    async fn delete_objects(&self, request: S3Request<DeleteObjectsInput>) -> S3Result<S3Response<DeleteObjectsOutput>> {
        self.check(&request.input.bucket, true)?;
        self.files.delete_objects(request).await
    }

    async fn list_objects_v2(&self, request: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.check(&request.input.bucket, false)?;
        self.files.list_objects_v2(request).await
    }
}
