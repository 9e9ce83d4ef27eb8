//! S3 as other people's software sees it: boto3, asked from outside every mount.
//!
//! One Python for all tests, since it takes a second to start. A call is a line of JSON in and a
//! line of JSON out.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::support::servers::{Keys, REGION, Server};
use crate::support::tools;

const PROGRAM: &str = r#"
import base64, boto3, botocore, datetime, json, sys
from botocore.config import Config

clients = {}

def client(endpoint, access, secret, region):
    if endpoint not in clients:
        clients[endpoint] = boto3.client(
            "s3", endpoint_url=endpoint, region_name=region, aws_access_key_id=access,
            aws_secret_access_key=secret, config=Config(s3={"addressing_style": "path"}))
    return clients[endpoint]

def plain(value):
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, bytes):
        return value.decode()
    return value.read().decode()

for line in sys.stdin:
    asked = json.loads(line)
    try:
        call = getattr(client(*asked["client"]), asked["method"])
        answer = call(**asked["arguments"])
        answer.pop("ResponseMetadata", None)
        answer = {"answer": answer}
    except botocore.exceptions.ClientError as error:
        answer = {"error": error.response["Error"]["Code"]}
    except Exception as error:
        answer = {"error": repr(error)}
    print(json.dumps(answer, default=plain), flush=True)
"#;

struct Python {
    /// Ends with its input.
    _child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

static PYTHON: LazyLock<Mutex<Python>> = LazyLock::new(|| {
    let mut child = Command::new(tools::tool("python"))
        .args(["-c", PROGRAM])
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python");
    let to = child.stdin.take().expect("its input");
    let from = BufReader::new(child.stdout.take().expect("its output"));
    Mutex::new(Python { _child: child, to, from })
});

/// What a method of boto3's client answers; `Err` is S3's code.
pub(crate) fn call(server: &Server, method: &str, arguments: &Value) -> Result<Value, String> {
    let keys = Keys::default();
    let client = json!([server.endpoint(), keys.access, keys.secret, REGION]);
    let asked = json!({ "client": client, "method": method, "arguments": arguments });
    let mut python = PYTHON.lock().unwrap_or_else(PoisonError::into_inner);
    writeln!(python.to, "{asked}").expect("boto3 is asked");
    let mut line = String::new();
    python.from.read_line(&mut line).expect("boto3 answers");
    let mut answer: Value = serde_json::from_str(&line).expect("boto3 answers in JSON");
    match answer.get("error").and_then(Value::as_str) {
        Some(code) => Err(code.to_owned()),
        None => Ok(answer["answer"].take()),
    }
}
