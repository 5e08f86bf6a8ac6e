use clap::ValueEnum;
use proto::v1;

/// Why a case may exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Purpose {
    #[value(alias = "missing_person")]
    MissingPerson,
    #[value(alias = "serious_incident")]
    SeriousIncident,
    Disaster,
}

impl From<Purpose> for v1::Purpose {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::MissingPerson => Self::MissingPerson,
            Purpose::SeriousIncident => Self::SeriousIncident,
            Purpose::Disaster => Self::Disaster,
        }
    }
}
