//! `/api/v1/early-warnings`: how the early warnings of the last weeks turned out.

use axum::Json;
use axum::extract::State;

use super::super::App;
use super::super::problem::Problem;
use crate::foretold::lane::Report;

pub(super) async fn foretold(State(app): State<App>) -> Result<Json<Report>, Problem> {
    app.foretold().await.map(Json).map_err(|error| Problem::journal(&error))
}
