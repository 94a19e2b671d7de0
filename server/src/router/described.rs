//! All routes, for tests that must leave none out.

use keybackup_protocol::{DeviceId, EpochId, PersonaId, SessionId, UploadId};

use super::Route;

/// Name and methods of every route. A new one does not compile until it is said which comes before
/// it and which after; that it is reached, the list of the API's headings tells.
pub(crate) fn described() -> Vec<(&'static str, &'static str)> {
    let after = |route: &Route| {
        Some(match route {
            Route::Status => Route::Healthz,
            Route::Healthz => Route::AccountsStart,
            Route::AccountsStart => Route::AccountsConfirm,
            Route::AccountsConfirm => Route::Accounts,
            Route::Accounts => Route::LoginStart,
            Route::LoginStart => Route::LoginFinish,
            Route::LoginFinish => Route::Session,
            Route::Session => Route::Sessions,
            Route::Sessions => Route::OneSession(SessionId::from_bytes([0; 8])),
            Route::OneSession(_) => Route::Account,
            Route::Account => Route::AccountEmailStart,
            Route::AccountEmailStart => Route::AccountEmail,
            Route::AccountEmail => Route::AccountEmailUndo,
            Route::AccountEmailUndo => Route::Password,
            Route::Password => Route::ResetStart,
            Route::ResetStart => Route::Reset,
            Route::Reset => Route::ResetByPath,
            Route::ResetByPath => Route::ResetPage,
            Route::ResetPage => Route::Recovery,
            Route::Recovery => Route::Epochs,
            Route::Epochs => Route::EpochsUndo,
            Route::EpochsUndo => Route::EpochPersonas(EpochId::from_bytes([0; 16])),
            Route::EpochPersonas(id) => Route::EpochOpen(*id),
            Route::EpochOpen(id) => Route::EpochUnlock(*id),
            Route::EpochUnlock(_) => Route::Keyring,
            Route::Keyring => Route::Personas,
            Route::Personas => Route::Persona(PersonaId::from_bytes([0; 16])),
            Route::Persona(_) => Route::Labels(PersonaId::from_bytes([0; 16])),
            Route::Labels(_) => Route::Purge(PersonaId::from_bytes([0; 16])),
            Route::Purge(_) => Route::Uploads,
            Route::Uploads => Route::Upload(UploadId::from_bytes([0; 16])),
            Route::Upload(_) => Route::Devices,
            Route::Devices => Route::Device(DeviceId::from_bytes([0; 16])),
            Route::Device(_) => return None,
        })
    };
    let routes = std::iter::successors(Some(Route::Status), after);
    routes.map(Route::describe).collect()
}

/// What `protocol/API.md` has a heading for is what the router has, and the other way round.
#[test]
fn every_route_has_a_heading_in_the_api_and_every_heading_a_route() {
    let api = include_str!("../../../protocol/API.md");
    let mut headings: Vec<_> = api
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .filter(|heading| heading.contains(" /"))
        .map(|heading| heading.replace("&lt;", "<").replace("&gt;", ">"))
        .collect();
    let mut routes: Vec<_> = described()
        .into_iter()
        .flat_map(|(path, methods)| methods.split(", ").map(move |method| (method, path)))
        .filter(|(method, _)| !["HEAD", "OPTIONS"].contains(method))
        .map(|(method, path)| format!("{method} {path}"))
        .collect();
    headings.sort();
    routes.sort();
    assert_eq!(headings, routes);
}
