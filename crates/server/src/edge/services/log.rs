use access::{Action, AuditDetail, Code as Why, Denial, Permission};
use proto::v1::{self, log_service_server::LogService};
use tonic::{Request, Response, Status};

use super::Api;
use crate::{
    edge::{identity::caller, status::Fault},
    record::log::RecordFault,
};

#[tonic::async_trait]
impl LogService for Api {
    async fn get_receipt(&self, request: Request<v1::GetReceiptRequest>) -> Result<Response<v1::GetReceiptResponse>, Status> {
        let caller = caller(&request)?;
        let seq = request.into_inner().audit_seq;
        let detail = AuditDetail { entry: Some(seq), ..AuditDetail::default() };
        let answer = self
            .0
            .recorded(&caller, Action::GetReceipt, None, detail, async |permission| {
                let found = self.0.catalogue().audit_since(seq.saturating_sub(1), None, 1).await?.pop();
                let found = found.filter(|r| r.receipt.seq == seq).ok_or(RecordFault::NoEntry { seq })?;
                if permission == Permission::Own && found.entry.caller.as_ref() != Some(&*caller) {
                    let hint = "an auditor may have a receipt of every entry";
                    return Err(Fault::Denied(Denial::new(
                        Why::NotYours,
                        format!("entry {seq} is of somebody else's call"),
                        hint,
                    )));
                }
                let log = &self.0.store.log;
                let receipt = log.receipt(seq).await?;
                Ok(v1::GetReceiptResponse { receipt: receipt.to_string(), log_key: log.key().to_string() })
            })
            .await?;
        Ok(Response::new(answer))
    }
}
