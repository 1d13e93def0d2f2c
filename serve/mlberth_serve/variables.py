"""The variables that `serve` reads; docs/reference/variables.md is made from this table."""

from __future__ import annotations

from typing import Any

from mlberth.code.install import ALLOWED, CODEARTIFACT, CONSTRAINTS, SAFE
from mlberth.contract.layout import MODEL_DIR
from mlberth.contract.resources import cpu_count
from mlberth.envvars import (
    BOOLEAN,
    LOG_LEVEL,
    OPTIONAL_TEXT,
    Computed,
    Declared,
    Kind,
    Variable,
    one_of,
    optional,
    seconds,
    whole_number,
)
from mlberth_serve.variable_values import (
    LAST_PORT,
    address,
    module_attribute,
    optional_path,
    optional_source,
    optional_text,
    port_range,
    s3_or_folder,
    sides,
    words,
)

_MAX_BYTES = 2048 * 1024 * 1024
DEFAULT_PROGRAM = "inference.py"


class Variables(Declared):
    """The variables that `serve` reads, each declared once: name, values, default, help.

    `Variables.timeout` is the variable, for a message that names it; `settings.timeout` is its value.
    """

    program = Variable(
        "SAGEMAKER_PROGRAM",
        Kind(optional_text, "text"),
        None,
        "The user's handler file, in the code folder or with an absolute path. One that is named must be "
        "there.",
        default_text=f"{DEFAULT_PROGRAM}, if it exists",
    )
    submit_directory = Variable(
        "SAGEMAKER_SUBMIT_DIRECTORY",
        Kind(optional_source, "text"),
        None,
        "Where the handler's code is: a folder, a .tar.gz (or file:// and one of these) or an s3:// address "
        "of one.",
        default_text="the model's code/, then /opt/ml/code",
    )
    serving_module = Variable(
        "SAGEMAKER_SERVING_MODULE",
        optional(Kind(module_attribute, "package.module:attribute")),
        None,
        "A WSGI callable, or a function without arguments that makes one, to serve in place of a handler, as "
        "package.module:attribute.",
        aliases=("SAGEMAKER_SERVICE_MODULE",),
        default_text="none",
    )
    host = Variable(
        "SAGEMAKER_BIND_TO_HOST",
        Kind(address, "an IP address, or localhost"),
        "0.0.0.0",  # noqa: S104 - a container must be reached from outside
        "The address to listen on; 127.0.0.1 on a laptop.",
    )
    port = Variable(
        "SAGEMAKER_BIND_TO_PORT",
        whole_number(1, LAST_PORT),
        8080,
        "The port to listen on. PORT, as other platforms set it, counts only if this is not set.",
        aliases=("PORT",),
    )
    safe_port_range = Variable(
        "SAGEMAKER_SAFE_PORT_RANGE",
        optional(Kind(port_range, "FIRST-LAST, two ports from 1 to 65535")),
        None,
        "Ports that the platform leaves to the container. We take none of them; a handler's `ServingEnv` has "
        "it.",
    )
    workers = Variable(
        "SAGEMAKER_MODEL_SERVER_WORKERS",
        whole_number(1, 1024),
        Computed(cpu_count),
        "How many worker processes predict; with several models, for each of them.",
        aliases=(
            "MODEL_SERVER_WORKERS",
            "SAGEMAKER_GUNICORN_WORKERS",
            "SAGEMAKER_NUM_MODEL_WORKERS",
            "SAGEMAKER_TS_MAX_WORKERS",
            "MMS_DEFAULT_WORKERS_PER_MODEL",
            "TS_DEFAULT_WORKERS_PER_MODEL",
        ),
        default_text="usable CPUs; 1 for each model with SAGEMAKER_MULTI_MODEL",
    )
    timeout = Variable(
        "SAGEMAKER_MODEL_SERVER_TIMEOUT",
        seconds(1, 86400),
        60.0,
        "How long one request may take, in seconds.",
        aliases=(
            "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS",
            "MODEL_SERVER_TIMEOUT",
            "SAGEMAKER_GUNICORN_TIMEOUT_SECONDS",
            "SAGEMAKER_NGINX_PROXY_READ_TIMEOUT_SECONDS",
            "SAGEMAKER_TS_RESPONSE_TIMEOUT",
            "TS_DEFAULT_RESPONSE_TIMEOUT",
        ),
    )
    visible_devices = Variable(
        "CUDA_VISIBLE_DEVICES",
        OPTIONAL_TEXT,
        None,
        "Which GPUs there are, by number or UUID, as CUDA has it; empty or -1 for none.",
        default_text="all",
        takes_empty=True,
    )
    in_flight_limit = Variable(
        "SAGEMAKER_MODEL_SERVER_MAX_IN_FLIGHT",
        optional(whole_number(1, 100000)),
        None,
        "How many requests may be served or wait at once; others get 503. No limit in a batch transform.",
        default_text="128, and at least 2 for each worker",
    )
    job_queue_size = Variable(
        "SAGEMAKER_MODEL_JOB_QUEUE_SIZE",
        optional(whole_number(0, 100000)),
        None,
        "How many requests may wait for a worker, if the limit of those in flight is not set.",
        aliases=("MMS_JOB_QUEUE_SIZE", "TS_JOB_QUEUE_SIZE"),
        default_text="what that limit leaves",
    )
    retry = Variable(
        "SAGEMAKER_MODEL_SERVER_RETRY",
        BOOLEAN,
        True,
        "Run a request once more if its worker dies; false for handlers that must not run twice.",
    )
    batch_max_size = Variable(
        "SAGEMAKER_BATCH_MAX_SIZE",
        optional(whole_number(1, 256)),
        None,
        "How many requests that wait at once may be predicted in one call; 1 turns it off. Set above 1 it "
        "holds for any predict_fn.",
        default_text="32 for scikit-learn's and XGBoost's models and a `batched` predict_fn, 1 otherwise",
    )
    max_requests = Variable(
        "SAGEMAKER_MODEL_SERVER_MAX_REQUESTS",
        optional(whole_number(1, 1_000_000_000)),
        None,
        "After about how many requests a worker is replaced by a fresh one, for handlers that leak memory.",
        default_text="never",
    )
    max_memory_mb = Variable(
        "SAGEMAKER_MODEL_SERVER_MAX_MEMORY_IN_MB",
        optional(whole_number(1, 1 << 24)),
        None,
        "Above how much resident memory, that of the shared model included, a worker is replaced by a fresh "
        "one after its answer, in MB; for handlers that leak memory.",
        default_text="no limit",
    )
    use_nginx = Variable(
        "SAGEMAKER_USE_NGINX", BOOLEAN, True, "Put nginx in front of the workers, if it is on PATH."
    )
    nginx_conf = Variable(
        "SAGEMAKER_NGINX_CONF",
        Kind(optional_path, "text"),
        None,
        "A complete nginx.conf to use in place of ours.",
        default_text="ours",
    )
    max_payload_mb = Variable(
        "SAGEMAKER_MAX_PAYLOAD_IN_MB",
        optional(whole_number(0, 2048)),
        None,
        "The largest request body in MB; 0 is no limit.",
        default_text="25, and 6 in /execution-parameters",
    )
    max_content_length = Variable(
        "MAX_CONTENT_LENGTH",
        optional(whole_number(1, _MAX_BYTES)),
        None,
        "The largest request body in bytes, if the limit in MB is not set.",
        aliases=("SAGEMAKER_MAX_REQUEST_SIZE", "MMS_MAX_REQUEST_SIZE", "TS_MAX_REQUEST_SIZE"),
        default_text="that limit",
    )
    default_invocations_accept = Variable(
        "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT",
        OPTIONAL_TEXT,
        None,
        "The media type of answers to requests that accept anything.",
        default_text="application/json; text/csv in the xgboost profile",
    )
    decode_input = Variable(
        "MMS_DECODE_INPUT_REQUEST",
        BOOLEAN,
        True,
        "Decode JSON and text for a model server's custom service; with false it gets only bytes.",
    )
    tls_certificate = Variable(
        "SAGEMAKER_TLS_CERT",
        OPTIONAL_TEXT,
        None,
        "The file of a certificate, with its chain, in PEM: the port then speaks only TLS. Needs nginx.",
        default_text="none",
    )
    tls_key = Variable(
        "SAGEMAKER_TLS_KEY",
        OPTIONAL_TEXT,
        None,
        "The file of the certificate's private key, in PEM, without a passphrase.",
        default_text="none",
    )
    log_level = Variable(
        "SAGEMAKER_CONTAINER_LOG_LEVEL",
        LOG_LEVEL,
        20,
        "What is logged, by name or by number.",
        aliases=("SAGEMAKER_GUNICORN_LOGLEVEL",),
        default_text="INFO",
    )
    log_format = Variable(
        "SAGEMAKER_LOG_FORMAT",
        one_of("text", "json"),
        "text",
        "How our log is written: lines for people, or a JSON object a line.",
    )
    access_log = Variable(
        "SAGEMAKER_ACCESS_LOG", BOOLEAN, False, "Log a line for each request but those of /ping and /metrics."
    )
    debug_errors = Variable(
        "SAGEMAKER_DEBUG_ERRORS",
        BOOLEAN,
        False,
        "Tell clients the cause of an error: the exception, its message, and the line of your code. It gives "
        "away code and data: for a laptop alone.",
    )
    try_page = Variable(
        "SAGEMAKER_TRY_PAGE",
        BOOLEAN,
        False,
        "Show a browser a page at / to try the model. /openapi.json then holds the sample payload.",
    )
    capture_destination = Variable(
        "SAGEMAKER_DATA_CAPTURE_DESTINATION",
        Kind(s3_or_folder, "an absolute path of a folder, or s3://bucket/prefix"),
        "",
        "Capture requests and answers there, in the form of SageMaker's data capture.",
        default_text="nothing is captured",
    )
    capture_percentage = Variable(
        "SAGEMAKER_DATA_CAPTURE_PERCENTAGE",
        whole_number(0, 100),
        100,
        "How many of a hundred requests are captured, chosen by chance.",
    )
    capture_options = Variable(
        "SAGEMAKER_DATA_CAPTURE_OPTIONS",
        Kind(sides, "Input, Output, or both with a comma between"),
        frozenset({"input", "output"}),
        "Which bodies are captured.",
        default_text="Input,Output",
    )
    capture_csv_types = Variable(
        "SAGEMAKER_DATA_CAPTURE_CSV_CONTENT_TYPES",
        Kind(words, "media types with commas between"),
        frozenset({"text/csv"}),
        "Bodies of these types are captured as text (CSV).",
        default_text="text/csv",
    )
    capture_json_types = Variable(
        "SAGEMAKER_DATA_CAPTURE_JSON_CONTENT_TYPES",
        Kind(words, "media types with commas between"),
        frozenset({"application/json"}),
        "Bodies of these types are captured as text (JSON). All others are captured as Base64.",
        default_text="application/json",
    )
    capture_file_seconds = Variable(
        "SAGEMAKER_DATA_CAPTURE_FILE_SECONDS",
        seconds(1, 3600),
        60.0,
        "After how long a file of captured requests is finished, and the next one begun.",
    )
    capture_file_mb = Variable(
        "SAGEMAKER_DATA_CAPTURE_FILE_MB",
        whole_number(1, 1024),
        100,
        "From which size on it is finished before.",
    )
    stateful_sessions = Variable(
        "SAGEMAKER_ENABLE_STATEFUL_SESSIONS",
        BOOLEAN,
        False,
        "Keep the state of clients' sessions (NEW_SESSION, CLOSE); a handler finds it as `context.session`.",
    )
    sessions_expiration = Variable(
        "SAGEMAKER_SESSIONS_EXPIRATION",
        seconds(1, 31_536_000),
        1200.0,
        "How long a session lives, in seconds from its beginning.",
    )
    sessions_path = Variable(
        "SAGEMAKER_SESSIONS_PATH",
        Kind(optional_path, "text"),
        None,
        "The folder of sessions' state; on a disk it outlives the container.",
        default_text="sagemaker_sessions in /dev/shm, or where temporary files go",
    )
    sessions_limit = Variable(
        "SAGEMAKER_SESSIONS_LIMIT", whole_number(1, 1_000_000), 1000, "About how many sessions there may be."
    )
    metrics = Variable("SAGEMAKER_METRICS", BOOLEAN, True, "Answer /metrics, in Prometheus' text form.")
    stop_grace = Variable(
        "SAGEMAKER_STOP_GRACE_SECONDS",
        seconds(1, 3600),
        25.0,
        "How long a stop may take before the remaining processes are killed.",
    )
    stop_delay = Variable(
        "SAGEMAKER_STOP_DELAY_SECONDS",
        seconds(0, 3600),
        0.0,
        "How long to go on serving, not ready, after the stop signal: time for a balancer to look away.",
    )
    reload_timeout = Variable(
        "SAGEMAKER_RELOAD_TIMEOUT_SECONDS",
        seconds(1, 86400),
        600.0,
        "How long a reload may load before it is given up, and the old model stays.",
    )
    batch = Variable("SAGEMAKER_BATCH", BOOLEAN, False, "The platform runs a batch transform.")
    batch_strategy = Variable(
        "SAGEMAKER_BATCH_STRATEGY",
        one_of("single_record", "multi_record"),
        "multi_record",
        "The strategy in /execution-parameters: one record per request, or as many as fit.",
    )
    max_concurrent_transforms = Variable(
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS",
        optional(whole_number(1, 1000)),
        None,
        "The concurrency in /execution-parameters.",
        default_text="the number of workers",
    )
    safe_models_only = Variable(
        "SAGEMAKER_SAFE_MODELS_ONLY",
        BOOLEAN,
        False,
        "Refuse files that can run code: joblib, pickle and PyTorch's, and any handler; a serving "
        "module then comes only from installed packages.",
    )
    multi_model = Variable(
        "SAGEMAKER_MULTI_MODEL",
        BOOLEAN,
        False,
        "Serve many models, which are loaded and unloaded by requests to /models, each in processes of its "
        "own; needs nginx.",
    )
    profile = Variable(
        "SAGEMAKER_PROFILE",
        one_of("none", "sklearn", "xgboost", "pytorch"),
        "none",
        "Whose formats the defaults read and write: ours, or a peer's container's to the byte.",
    )
    inference_output = Variable(
        "SAGEMAKER_INFERENCE_OUTPUT",
        OPTIONAL_TEXT,
        None,
        "The content of the xgboost profile's responses, such as predicted_label,probabilities.",
        default_text="the scores",
    )
    inference_ensemble = Variable(
        "SAGEMAKER_INFERENCE_ENSEMBLE",
        BOOLEAN,
        True,
        "Whether the xgboost profile asks every model in the model folder, or only the first.",
    )


# Read by the layout of the tree, which is not ours alone.
MODEL_FOLDER = Variable(
    MODEL_DIR,
    OPTIONAL_TEXT,
    None,
    "The folder of the model, such as the /mnt/models of KServe.",
    default_text="`model` below SAGEMAKER_BASE_DIR",
)
_SHARED = (ALLOWED, SAFE, CONSTRAINTS, CODEARTIFACT, MODEL_FOLDER)
ALL: tuple[Variable[Any], ...] = (*Variables.declared().values(), *_SHARED)
