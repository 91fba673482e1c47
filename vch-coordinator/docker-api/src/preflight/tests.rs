use super::*;
use axum::{
    Router,
    body::to_bytes,
    http::{Request as HttpRequest, StatusCode},
    middleware, routing,
};
use futures_util::stream;
use std::convert::Infallible;
use tower::ServiceExt;

/// Returns a router whose handlers report that they were reached.
fn app() -> Router {
    let reached = async |super::super::Json(body): super::super::Json<Value>| body.to_string();
    let mut routes = Router::new();
    for path in JSON_ROUTES {
        routes = routes.route(path, routing::post(reached));
    }
    routes
        .route("/networks", routing::get(async || "all"))
        .route_layer(middleware::from_fn_with_state(Room::default(), checked))
        .fallback(async || DockerError::page_not_found())
}

async fn ask(request: HttpRequest<Body>) -> (StatusCode, String) {
    let response = match addressed(request) {
        Ok(request) => match app().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        },
        Err(error) => error.into_response(),
    };
    let status = response.status();
    let body = to_bytes(response.into_body(), MAX_BODY).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn post(path: &str, kind: Option<&str>, body: impl Into<Body>) -> (u16, String) {
    let mut request = HttpRequest::post(path);
    if let Some(kind) = kind {
        request = request.header(CONTENT_TYPE, kind);
    }
    let (status, body) = ask(request.body(body.into()).unwrap()).await;
    (status.as_u16(), body)
}

const JSON: Option<&str> = Some("application/json");

#[tokio::test]
async fn what_cannot_be_read_is_refused_the_same_way_on_every_route() {
    for route in JSON_ROUTES {
        let path = route
            .replace("{container}", "nobody")
            .replace("{exec}", "nobody");
        let path = path.replace("{network}", "nobody");
        for (kind, body, message) in [
            (
                Some("text/plain"),
                "{}",
                "unsupported Content-Type header (text/plain): must be 'application/json'",
            ),
            (
                None,
                "{}",
                "malformed Content-Type header (): mime: no media type",
            ),
            (
                JSON,
                "{invalid",
                "invalid JSON: invalid character 'i' looking for beginning of object key string",
            ),
            (JSON, "{}trailing", "unexpected content after JSON"),
            (
                JSON,
                " ",
                "invalid JSON: got EOF while reading request body",
            ),
        ] {
            for version in ["", "/v1.24", "/v1.51"] {
                let (status, answer) = post(&format!("{version}{path}"), kind, body).await;
                let expected = format!("{}\n", serde_json::json!({ "message": message }));
                assert_eq!((status, answer), (400, expected), "{path} {body}");
            }
        }
        let (status, answer) = post(&path, JSON, "").await;
        if MAY_BE_EMPTY.contains(&route) {
            assert_eq!((status, answer.as_str()), (200, "null"), "{path}");
        } else {
            assert_eq!(status, 400, "{path}: {answer}");
        }
        let charset = Some("application/json; charset=utf-8");
        assert_eq!(post(&path, charset, "{}").await, (200, "{}".to_owned()));
    }
}

#[tokio::test]
async fn a_slash_at_the_end_makes_no_difference() {
    for path in [
        "/networks",
        "/networks/",
        "/v1.44/networks/",
        "/v1.44/networks/?filters=x",
    ] {
        let request = HttpRequest::get(path).body(Body::empty()).unwrap();
        assert_eq!(
            ask(request).await,
            (StatusCode::OK, "all".to_owned()),
            "{path}"
        );
    }
    let root = HttpRequest::get("/").body(Body::empty()).unwrap();
    assert_eq!(ask(root).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_version_that_is_not_ours_is_refused_before_the_body_is_read() {
    let (status, answer) = post("/v1.52/networks/create", Some("text/plain"), "{").await;
    assert_eq!(status, 400);
    assert!(
        answer.contains("client version 1.52 is too new. Maximum supported API version is 1.51")
    );
}

#[tokio::test]
async fn a_body_is_bounded_in_size_and_depth() {
    let large = vec![b' '; MAX_BODY + 1];
    assert_eq!(post("/networks/create", JSON, large.clone()).await.0, 413);
    let chunks = stream::iter((0..=MAX_BODY / 1024).map(|_| Ok::<_, Infallible>(vec![b' '; 1024])));
    let body = Body::from_stream(chunks);
    assert_eq!(post("/networks/create", JSON, body).await.0, 413);
    let deep = "[".repeat(100_000);
    let (status, answer) = post("/networks/create", JSON, deep).await;
    assert_eq!(status, 400);
    assert!(answer.contains("exceeded max depth"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn slow_bodies_end_and_hold_up_only_other_large_ones() {
    let endless = || {
        let chunks = stream::unfold((), async |()| {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some((Ok::<_, Infallible>(vec![b' '; SMALL_BODY]), ()))
        });
        Body::from_stream(chunks.take(20))
    };
    let app = app();
    let slow: Vec<_> = (0..2 * LARGE_BODIES)
        .map(|_| {
            let request =
                HttpRequest::post("/networks/create").header(CONTENT_TYPE, "application/json");
            let request = addressed(request.body(endless()).unwrap()).unwrap();
            tokio::spawn(app.clone().oneshot(request))
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let small = HttpRequest::post("/networks/create").header(CONTENT_TYPE, "application/json");
    let small = app.oneshot(small.body(Body::from("{}")).unwrap());
    let small = timeout(Duration::from_millis(1), small).await;
    assert_eq!(small.unwrap().unwrap().status(), StatusCode::OK);
    for one in slow {
        let status = one.await.unwrap().unwrap().status();
        assert!(status == StatusCode::BAD_REQUEST || status == StatusCode::REQUEST_TIMEOUT);
    }
}
