//! The one place that writes, which `auditor` has: data on stdout, talk on stderr, JSON when asked for.

pub(crate) use auditor::output::{Printer, count, out, plain, table};
