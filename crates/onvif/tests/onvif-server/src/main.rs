//! `onvif-partner PORT RTSP-ADDRESS`: a camera with a token as login (`operator`, `horse`), discovery
//! on 3702 and one profile. Says `ready`.

use onvif_server::{DeviceInfo, DeviceService, MediaService, OnvifError, OnvifServer};

#[derive(Clone)]
struct Camera {
    stream: String,
}

#[async_trait::async_trait]
impl DeviceService for Camera {
    async fn get_device_information(&self) -> Result<DeviceInfo, OnvifError> {
        Ok(DeviceInfo {
            manufacturer: "onvif-server".into(),
            model: "partner".into(),
            firmware_version: "0.1.1".into(),
            serial_number: "1".into(),
            hardware_id: "1".into(),
        })
    }
}

#[async_trait::async_trait]
impl MediaService for Camera {
    async fn get_stream_uri(&self, _profile: &str) -> Result<String, OnvifError> {
        Ok(self.stream.clone())
    }
}

#[tokio::main]
async fn main() {
    let mut words = std::env::args().skip(1);
    let (Some(port), Some(stream)) = (words.next().and_then(|port| port.parse().ok()), words.next()) else {
        panic!("onvif-partner PORT RTSP-ADDRESS");
    };
    let camera = Camera { stream };
    let server = OnvifServer::builder()
        .port(port)
        .advertised_host("127.0.0.1")
        .device_service(camera.clone())
        .media_service(camera)
        .auth("operator", "horse")
        .build()
        .expect("a camera");
    println!("ready");
    server.run().await.expect("a port that is free");
}
