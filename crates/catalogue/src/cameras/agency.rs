use types::{AgencyId, ReceiveTime};

use crate::{Catalogue, CatalogueError, row::time};

/// An agency that pools cameras.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agency {
    pub id: AgencyId,
    /// For people, 1 to 200 characters.
    pub name: String,
    pub created: ReceiveTime,
}

impl Catalogue {
    /// # Errors
    /// [`CatalogueError::Exists`] if the id is taken, whatever its name.
    pub async fn add_agency(&self, id: &AgencyId, name: &str) -> Result<Agency, CatalogueError> {
        let name = label(name)?;
        let agency = Agency { id: id.clone(), name, created: ReceiveTime::now() };
        let added = sqlx::query("INSERT INTO agency (id, name, created) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(id.as_str())
            .bind(&agency.name)
            .bind(agency.created.as_micros())
            .execute(self.writer())
            .await?;
        if added.rows_affected() == 0 {
            return Err(CatalogueError::Exists { kind: "agency", id: id.to_string() });
        }
        Ok(agency)
    }

    pub async fn agency(&self, id: &AgencyId) -> Result<Option<Agency>, CatalogueError> {
        let row: Option<AgencyRow> = sqlx::query_as("SELECT id, name, created FROM agency WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(self.reader())
            .await?;
        row.map(agency).transpose()
    }

    /// By id.
    pub async fn agencies(&self) -> Result<Vec<Agency>, CatalogueError> {
        let rows: Vec<AgencyRow> =
            sqlx::query_as("SELECT id, name, created FROM agency ORDER BY id").fetch_all(self.reader()).await?;
        rows.into_iter().map(agency).collect()
    }
}

type AgencyRow = (String, String, i64);

fn agency((id, name, created): AgencyRow) -> Result<Agency, CatalogueError> {
    let id = AgencyId::new(&id).map_err(|_| CatalogueError::unreadable(format!("agency {id:?}")))?;
    Ok(Agency { id, name, created: time(created)? })
}

/// A name people gave to something, on one line.
pub(crate) fn label(text: &str) -> Result<String, CatalogueError> {
    let text = text.trim();
    if (1..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(CatalogueError::invalid("not a name of 1 to 200 characters on one line:", text))
    }
}
