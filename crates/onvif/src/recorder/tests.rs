use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

#[test]
fn gaps_are_what_lies_between_an_end_and_the_next_beginning() {
    let of = |from: Option<i64>, to: Option<i64>| Recording {
        token: "r".into(),
        title: String::new(),
        from: from.map(at),
        to: to.map(at),
        video: Some("v".into()),
    };
    for (recording, changes, want) in [
        // With the state at the beginning, as it should be.
        (of(Some(0), Some(100)), vec![(0, true), (20, false), (30, true), (100, false)], vec![(20, 30)]),
        // Asked about more than there is.
        (of(Some(10), Some(90)), vec![(10, true), (40, false), (50, true)], vec![(0, 10), (40, 50), (90, 100)]),
        // Begins within a gap, and ends in one.
        (of(None, None), vec![(0, false), (20, true), (80, false)], vec![(0, 20), (80, 100)]),
        // Out of order, and twice.
        (of(Some(0), Some(100)), vec![(30, true), (20, false), (0, true), (20, false)], vec![(20, 30)]),
    ] {
        let changes = changes.into_iter().map(|(s, there)| (at(s), there)).collect();
        let want = want.into_iter().map(|(a, b)| (at(a), at(b))).collect();
        assert_eq!(gaps(&recording, changes, at(0), at(100)), Coverage::Gaps(want));
    }
    assert_eq!(gaps(&of(None, None), vec![], at(0), at(100)), Coverage::Untold);
}

#[test]
fn times_are_read_with_a_zone_and_without_one_and_none_is_no_time() {
    assert_eq!(time("2027-01-15T08:00:00Z"), Some(at(0)));
    assert_eq!(time("2027-01-15T09:00:00.0+01:00"), Some(at(0)));
    assert_eq!(time("2027-01-15T08:00:00"), Some(at(0)));
    for bad in ["1970-01-01T00:00:00Z", "", "yesterday"] {
        assert_eq!(time(bad), None, "{bad}");
    }
}
