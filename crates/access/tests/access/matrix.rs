use std::fmt::Write;

use access::{Action, Code, Permission, Role};

use super::fixture::caller;

#[test]
fn the_matrix_of_roles_and_actions_is_the_one_people_agreed_to() {
    let mut table = String::from(
        "What each role may do. \"own\": only their own case, their own organisation's cameras, or their own calls.\n\n",
    );
    let mut row = |first: &str, cells: [&str; 6]| {
        let cells = cells.map(|c| format!("{c:<13}")).concat();
        writeln!(table, "{}", format!("{first:<17}{cells}").trim_end()).unwrap();
    };
    row("", Role::ALL.map(Role::as_str));
    for action in Action::ALL {
        let word = |role| match action.permission(role) {
            Permission::Yes => "yes",
            Permission::Own => "own",
            Permission::No => "-",
        };
        row(action.as_str(), Role::ALL.map(word));
    }
    insta::with_settings!({snapshot_path => "../snapshots", prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!("role_action_matrix", table);
    });
}

#[test]
fn only_investigators_ever_see_sightings() {
    for role in Role::ALL {
        let able = Action::ALL.iter().any(|a| a.reads_sightings() && a.permission(role) != Permission::No);
        assert_eq!(able, role == Role::Investigator, "{role}");
    }
}

#[test]
fn nobody_both_opens_and_authorises() {
    for role in Role::ALL {
        let opens = Action::OpenCase.permission(role) != Permission::No;
        let authorises = Action::AuthoriseCase.permission(role) != Permission::No;
        assert!(!(opens && authorises), "{role}");
    }
}

#[test]
fn a_refused_role_is_told_whom_to_ask() {
    let denial = Action::ListAudit.check_role(&caller("a", "b", Role::Operator)).unwrap_err();
    assert_eq!(denial.code, Code::Role);
    assert_eq!(denial.hint, "ask somebody with the role auditor");
}

#[test]
fn words_name_one_action_each_and_are_the_serialised_ones() {
    for action in Action::ALL {
        assert_eq!(Action::parse(action.as_str()), Some(action));
        assert_eq!(serde_json::to_value(action).unwrap(), action.as_str());
    }
    for code in Code::ALL {
        assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
    }
    for role in Role::ALL {
        assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
    }
}
