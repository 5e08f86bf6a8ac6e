use media::Sampling;
use pipeline::*;
use types::*;
use vision::*;
fn main() {
    let mut v = Vision::load(&ModelStore::from_env().unwrap(), &VisionOptions::default()).unwrap();
    let mut all: Vec<(String, NewSighting)> = vec![];
    for p in std::env::args().skip(1) {
        let p = std::path::PathBuf::from(p);
        let cam = p.file_stem().unwrap().to_str().unwrap().to_lowercase();
        let t = FootageTask {
            path: p,
            camera: CameraId::new(&cam).unwrap(),
            agency: AgencyId::new("a").unwrap(),
            digest: FootageDigest([0; 32]),
            start: TimeStamp {
                time: "2026-03-01T08:00:00Z".parse().unwrap(),
                uncertainty: Default::default(),
                source: TimeSource::Given,
            },
            sampling: Sampling::default(),
            keep_readable: false,
            scene: SceneOptions::default(),
        };
        let mut s = vec![];
        let b = std::time::Instant::now();
        let d = run_footage(&t, &mut v, &mut s, &mut |_| (), &tokio_util::sync::CancellationToken::new()).unwrap();
        eprintln!("{cam} {:?} {:?}", d.progress.stats, b.elapsed());
        all.extend(s.into_iter().map(|s| (cam.clone(), s)));
    }
    for (i, (cam, s)) in all.iter().enumerate() {
        std::fs::write(format!("/tmp/dump/{i:02}_{cam}.jpg"), s.crop.encode()).unwrap();
        let d = &s.sighting;
        println!(
            "{i:02} {cam} {} {}..{} n={} score={:.2} crop={:?} up={:?} lo={:?} carry={:?}",
            d.class,
            d.first.time,
            d.last.time,
            d.detections,
            d.score,
            s.crop.size(),
            d.description.upper.map(|x| (x.word, x.confidence)),
            d.description.lower.map(|x| (x.word, x.confidence)),
            d.description.carrying
        );
    }
    for (i, (_, a)) in all.iter().enumerate() {
        print!("{i:02}");
        for (_, b) in &all {
            print!(" {:5.2}", a.embedding.similarity(&b.embedding).unwrap());
        }
        println!();
    }
}
