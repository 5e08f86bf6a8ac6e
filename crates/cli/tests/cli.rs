//! The real binary: what it says to wrong command lines, and the whole path from `init` to a contact sheet against a
//! real server with real footage and real models.

#[path = "cli/deployment.rs"]
mod deployment;
#[path = "cli/messages.rs"]
mod messages;
#[path = "cli/whole_path.rs"]
mod whole_path;
