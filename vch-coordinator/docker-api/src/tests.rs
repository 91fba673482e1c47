use super::*;
use axum::{
    body::{Body, to_bytes},
    http::StatusCode,
};
use docker_model::Version;

/// Sends a request to the routes that need no coordinator.
async fn ask(method: Method, path: &str) -> (StatusCode, axum::http::HeaderMap, String) {
    let routes = Router::new()
        .route("/_ping", routing::get(system::ping))
        .fallback(async || DockerError::page_not_found())
        .method_not_allowed_fallback(async || DockerError::page_not_found())
        .layer(middleware::map_response(system::with_headers));
    let request = Request::builder().method(method).uri(path);
    let response = answer(routes, request.body(Body::empty()).unwrap()).await;
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, MAX_BODY).await.unwrap();
    (
        parts.status,
        parts.headers,
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

#[tokio::test]
async fn a_ping_says_the_newest_version_with_and_without_one_in_its_path() {
    for path in ["/_ping", "/v1.24/_ping", "/v1.51/_ping"] {
        let (status, headers, body) = ask(Method::GET, path).await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, "OK"), "{path}");
        for (name, value) in [
            ("api-version", "1.51"),
            ("ostype", "linux"),
            ("docker-experimental", "false"),
            ("cache-control", "no-cache, no-store, must-revalidate"),
            ("pragma", "no-cache"),
            ("swarm", "inactive"),
        ] {
            assert_eq!(headers[name], value, "{path}");
        }
        let (status, headers, body) = ask(Method::HEAD, path).await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, ""), "{path}");
        assert_eq!(headers["api-version"], "1.51");
    }
}

#[test]
fn the_header_says_the_newest_version() {
    assert_eq!(Version::NEWEST.to_string(), "1.51");
}

#[tokio::test]
async fn what_is_not_there_is_said_as_dockerd_does() {
    for (method, path, status, message) in [
        (Method::GET, "/nothing", 404, "page not found"),
        (Method::GET, "/v1.41/nothing", 404, "page not found"),
        (Method::DELETE, "/_ping", 404, "page not found"),
        (
            Method::GET,
            "/v1.99/_ping",
            400,
            "client version 1.99 is too new. Maximum supported API version is 1.51",
        ),
    ] {
        let (seen, headers, body) = ask(method, path).await;
        assert_eq!(seen.as_u16(), status, "{path}");
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers["api-version"], "1.51");
        assert_eq!(body, format!("{{\"message\":\"{message}\"}}\n"));
    }
}
