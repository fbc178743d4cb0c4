//! Every address of the console, behind one guard.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::from_fn;
use axum::routing::get;

use super::problem::Problem;
use super::{App, api, assets, guard, page};

pub(super) fn router(app: App) -> Router {
    let api = api::routes().into_iter().fold(Router::new(), |router, route| router.route(route.path, route.handler));
    api.route("/", get(page::page))
        .route("/assets/app.js", get(assets::script))
        .route("/assets/app.css", get(assets::style))
        .route("/assets/icon.svg", get(assets::icon))
        .fallback(nowhere)
        .method_not_allowed_fallback(not_so)
        .layer(DefaultBodyLimit::max(guard::BODY_MAX))
        .layer(from_fn(guard::guard))
        .with_state(app)
}

async fn nowhere(uri: Uri) -> Problem {
    let detail = format!("nothing at {}; /api/v1/openapi.json lists what there is", uri.path());
    Problem::not_found("no-such-address", detail)
}

async fn not_so(method: Method, uri: Uri) -> Problem {
    let detail = format!("{} does not take {method}; see /api/v1/openapi.json", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", detail)
}
