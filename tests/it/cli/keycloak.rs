//! Tokens of a real Keycloak with the realm of `deploy/keycloak`; `make test-keycloak` starts one. Without it
//! nothing is compared.

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::process::{Server, run};
use super::sign_in::answered;
use crate::support::eventually;

/// Where it is; `scripts/keycloak` sets it.
const KEYCLOAK: &str = "EMPORIUM_TEST_KEYCLOAK";
const SECRET: &str = "of-a-robot";

struct Realm {
    client: Client,
    url: String,
    operator: String,
}

impl Realm {
    async fn open() -> Option<Self> {
        let url = std::env::var(KEYCLOAK).ok()?;
        let client = Client::builder().no_proxy().build().expect("a client");
        let mut realm = Self { client, url, operator: String::new() };
        let fields = "grant_type=password&client_id=admin-cli&username=admin&password=of-a-test";
        realm.operator = realm.token("master", fields).await;
        Some(realm)
    }

    async fn token(&self, realm: &str, fields: &str) -> String {
        let url = format!("{}/realms/{realm}/protocol/openid-connect/token", self.url);
        let kind = "application/x-www-form-urlencoded";
        let request = self.client.post(url).header("content-type", kind).body(fields.to_owned());
        let reply: Value = answer(request).await;
        reply["access_token"].as_str().unwrap_or_else(|| panic!("{reply}")).to_owned()
    }

    /// A client of its own that proves who it is by a secret, with the scopes given.
    async fn robot(&self, name: &str, scopes: &[&str], is_typed: bool) {
        let robot = json!({
            "clientId": name, "secret": SECRET, "publicClient": false,
            "serviceAccountsEnabled": true, "standardFlowEnabled": false,
            "defaultClientScopes": scopes,
            "attributes": { "access.token.header.type.rfc9068": is_typed.to_string() },
        });
        let url = format!("{}/admin/realms/emporium/clients", self.url);
        let request = self.client.post(url).bearer_auth(&self.operator).json(&robot);
        let status = request.send().await.expect("Keycloak answers").status();
        assert_eq!(status.as_u16(), 201, "{name}");
    }

    async fn token_of(&self, name: &str) -> String {
        let fields =
            format!("grant_type=client_credentials&client_id={name}&client_secret={SECRET}");
        self.token("emporium", &fields).await
    }

    /// Somebody with an e-mail address who signs in by a password, and his token by a client that has people do so.
    async fn person(&self, name: &str) {
        let person = json!({
            "username": name, "email": format!("{name}@example.com"), "emailVerified": true,
            "firstName": name, "lastName": name, "enabled": true, "requiredActions": [],
            "credentials": [{ "type": "password", "value": SECRET, "temporary": false }],
        });
        let url = format!("{}/admin/realms/emporium/users", self.url);
        let request = self.client.post(url).bearer_auth(&self.operator).json(&person);
        let status = request.send().await.expect("Keycloak answers").status();
        assert_eq!(status.as_u16(), 201, "{name}");
    }

    /// Gives somebody a role of the realm, or takes it.
    async fn role(&self, name: &str, role: &str, is_given: bool) {
        let realm = format!("{}/admin/realms/emporium", self.url);
        let ask =
            |path: &str| self.client.get(format!("{realm}/{path}")).bearer_auth(&self.operator);
        let role = answer(ask(&format!("roles/{role}"))).await;
        let people = answer(ask(&format!("users?exact=true&username={name}"))).await;
        let id = people[0]["id"].as_str().expect("somebody of this name");
        let url = format!("{realm}/users/{id}/role-mappings/realm");
        let request = if is_given { self.client.post(url) } else { self.client.delete(url) };
        let request = request.bearer_auth(&self.operator).json(&json!([role]));
        let status = request.send().await.expect("Keycloak answers").status();
        assert_eq!(status.as_u16(), 204);
    }

    async fn desk(&self) {
        let desk = json!({
            "clientId": "desk", "publicClient": true, "directAccessGrantsEnabled": true,
            "standardFlowEnabled": false, "defaultClientScopes": ["basic", "emporium", "email"],
            "attributes": { "access.token.header.type.rfc9068": "true" },
        });
        let url = format!("{}/admin/realms/emporium/clients", self.url);
        let request = self.client.post(url).bearer_auth(&self.operator).json(&desk);
        let status = request.send().await.expect("Keycloak answers").status();
        assert!([201, 409].contains(&status.as_u16()), "{status}: another test may have made it");
    }

    async fn token_of_person(&self, name: &str) -> String {
        let fields =
            format!("grant_type=password&client_id=desk&username={name}&password={SECRET}");
        self.token("emporium", &fields).await
    }

    /// Has the realm sign by another key from now on.
    async fn rotate(&self) {
        let url = format!("{}/admin/realms/emporium", self.url);
        let realm: Value = answer(self.client.get(&url).bearer_auth(&self.operator)).await;
        let key = json!({
            "name": "newer", "providerId": "rsa-generated",
            "providerType": "org.keycloak.keys.KeyProvider", "parentId": realm["id"],
            "config": { "priority": ["1000"], "enabled": ["true"], "active": ["true"],
                "algorithm": ["RS256"], "keySize": ["2048"] },
        });
        let request = self.client.post(format!("{url}/components"));
        let request = request.bearer_auth(&self.operator).json(&key);
        let status = request.send().await.expect("Keycloak answers").status();
        assert_eq!(status.as_u16(), 201);
    }
}

async fn answer(request: RequestBuilder) -> Value {
    let reply = request.send().await.expect("Keycloak answers");
    reply.json().await.expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_keycloak_hold_where_its_clients_are_set_up_as_they_should_be() {
    let Some(realm) = Realm::open().await else { return };
    realm.robot("robot", &["basic", "emporium"], true).await;
    realm.robot("without-audience", &["basic"], true).await;
    realm.robot("without-type", &["basic", "emporium"], false).await;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let settings = format!("[auth]\nissuers = ['{}/realms/emporium']\n", realm.url);
    std::fs::write(directory.path().join("cluster.toml"), settings).expect("it can be written");
    let server = Server::start(directory.path(), &[]);
    let ask = async |token: &str| {
        let body = json!({ "query": "{ __typename }" });
        let request = realm.client.post(&server.url).json(&body).bearer_auth(token);
        request.send().await.expect("the server answers").status().as_u16()
    };
    let before = realm.token_of("robot").await;
    assert_eq!(ask(&before).await, 200);
    assert_eq!(ask(&realm.token_of("without-audience").await).await, 401);
    assert_eq!(ask(&realm.token_of("without-type").await).await, 401);
    realm.rotate().await;
    let after = realm.token_of("robot").await;
    let name = |token: &str| token.split('.').next().map(str::to_owned);
    assert_ne!(name(&before), name(&after), "another key signs");
    // It is asked at most once in ten seconds: until then the new key is not known.
    let until = std::time::Instant::now() + super::process::PATIENCE;
    while ask(&after).await != 200 {
        assert!(std::time::Instant::now() < until, "the new key is never known");
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
    assert_eq!(ask(&before).await, 200, "what the key of before signed holds until it ends");
    server.signal("TERM");
    let (_, _, log) = server.end();
    for why in ["a client needs an audience mapper", "its type is not at+jwt"] {
        assert!(log.contains(why), "operators are told: {log}");
    }
}

/// Who was there before is linked by an address that Keycloak has verified; one that is not verified gets nobody a
/// token of this realm.
#[tokio::test(flavor = "multi_thread")]
async fn people_of_keycloak_are_linked_by_a_verified_address() {
    let Some(realm) = Realm::open().await else { return };
    realm.desk().await;
    realm.person("ann").await;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let issuer = format!("{}/realms/emporium", realm.url);
    let settings = format!("[auth]\nissuers = ['{issuer}']\nlinked_by_email = ['{issuer}']\n");
    std::fs::write(directory.path().join("cluster.toml"), settings).expect("it can be written");
    let server = Server::start(directory.path(), &[]);
    let (_, admin, _) = run(directory.path(), &["user", "token", "administrator"]);
    let mutation = "mutation { registerUser(input: {email: \"ann@example.com\", displayName: \"Ann\"}) \
                    { userErrors { code } } }";
    let told = answered(&server, admin.trim_end(), mutation).await;
    assert_eq!(told["data"]["registerUser"]["userErrors"], json!([]), "{told}");
    let token = realm.token_of_person("ann").await;
    let told = answered(&server, &token, "{ me { email } }").await;
    assert_eq!(told["data"]["me"], json!({ "email": "ann@example.com" }), "{told}");
}

/// A role of the realm is one here for as long as the realm says so.
#[tokio::test(flavor = "multi_thread")]
async fn roles_of_keycloak_are_given_and_taken_by_its_tokens() {
    let Some(realm) = Realm::open().await else { return };
    realm.desk().await;
    realm.person("joe").await;
    realm.role("joe", "clerk", true).await;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let issuer = format!("{}/realms/emporium", realm.url);
    let settings = format!(
        "[auth]\nissuers = ['{issuer}']\nlinked_by_email = ['{issuer}']\n\
         roles = ['{issuer} clerk clerk', '{issuer} operator operator']\n"
    );
    std::fs::write(directory.path().join("cluster.toml"), settings).expect("it can be written");
    let server = Server::start(directory.path(), &[]);
    let roles = async || {
        let token = realm.token_of_person("joe").await;
        let query = "{ me { email displayName roles { role holds } } }";
        answered(&server, &token, query).await["data"]["me"].take()
    };
    let clerk = json!({ "email": "joe@example.com", "displayName": "joe joe",
        "roles": [{ "role": "clerk", "holds": true }] });
    assert_eq!(roles().await, clerk, "he was nobody here before");
    realm.role("joe", "clerk", false).await;
    // What is said within one second is one word: the later second counts.
    let is_taken = async || (roles().await["roles"] == json!([])).then_some(());
    eventually("the role to be taken", is_taken).await;
}
