"""Runs ZetaSQL, the analyzer that Google has published of the SQL of BigQuery.

The npm package @fivetrandevelopers/zetasql contains it as a server that speaks gRPC, and its protocol.
"""

import fcntl
import hashlib
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorSet  # type: ignore[import-untyped]  # no types published
from google.protobuf.descriptor_pool import DescriptorPool  # type: ignore[import-untyped]  # no types published
from google.protobuf.message_factory import GetMessageClass  # type: ignore[import-untyped]  # no types published

from tests.servers.requirements import skip_or_fail

LOCK: Final = Path(__file__).parent / "zetasql"
SERVICE: Final = "zetasql.local_service"
START_SECONDS: Final = 60.0
#: ZetaSQL's names of the types that the files in contract/ledger name by their older names.
KINDS: Final = {"INTEGER": "INT64", "FLOAT": "DOUBLE"}

Columns = Mapping[str, str]  #: types by the names of columns, in their order


class Rejected(Exception):
    """The analyzer does not accept a statement; the text says why, and where."""


def installed_package() -> Path:
    """Install the package of the lock file if it is missing; return the directory of its server and protocol.

    It is installed into the virtual environment, in a directory named after a hash of the lock file. Several
    processes may call this function at the same time. Skips the test if npm is missing or the package cannot
    be installed; in CI, the test fails instead.
    """
    if shutil.which("npm") is None:
        skip_or_fail("npm is not installed")
    home = Path(sys.prefix) / "zetasql"
    home.mkdir(exist_ok=True)
    digest = hashlib.sha256((LOCK / "package-lock.json").read_bytes()).hexdigest()[:16]
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = home / digest
        if not (folder / "finished").exists():
            _install(folder)
            (folder / "finished").touch()
    return folder / "node_modules" / "@fivetrandevelopers" / "zetasql" / "lib" / "zetasql"


def _install(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(LOCK, folder)
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=400, check=False)
    if done.returncode:
        skip_or_fail(f"npm ci failed: {done.stderr[-500:]}")


@contextmanager
def running_analyzer(package: Path, port: int) -> Iterator["Analyzer"]:
    """Run the server of the package on a free port, and yield an analyzer that knows no table."""
    processor = "_arm" if platform.machine().lower() in {"arm64", "aarch64"} else ""
    server = package / f"remote_server{processor}{'' if sys.platform == 'darwin' else '.so'}"
    server.chmod(0o700)
    with subprocess.Popen([server, "localhost", str(port)], stdout=subprocess.DEVNULL) as process:
        try:
            with grpc.insecure_channel(f"localhost:{port}") as channel:
                grpc.channel_ready_future(channel).result(timeout=START_SECONDS)
                yield Analyzer(channel, _messages(package / "protos"))
        finally:
            process.kill()


def _messages(protos: Path) -> DescriptorPool:
    """Compile the package's protocol."""
    included = str(resources.files("grpc_tools") / "_proto")
    with tempfile.NamedTemporaryFile() as compiled:
        paths = [f"--proto_path={protos}", f"--proto_path={included}"]
        command = [
            *paths,
            "--include_imports",
            f"--descriptor_set_out={compiled.name}",
            "local_service.proto",
        ]
        subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *command], check=True, timeout=100)
        files = FileDescriptorSet.FromString(Path(compiled.name).read_bytes()).file
    pool = DescriptorPool()
    for file in files:
        pool.Add(file)
    return pool


class Analyzer:
    """Analyzes statements as BigQuery does, against the tables and functions that were added.

    Args:
        channel: a channel to the server.
        pool: the messages of its protocol.
    """

    def __init__(self, channel: grpc.Channel, pool: DescriptorPool) -> None:
        self._channel, self._pool = channel, pool
        language = self._call("GetLanguageOptions", "LanguageOptionsRequest", maximum_features=True)
        language.product_mode = self._enum("zetasql.ProductMode", "PRODUCT_EXTERNAL")
        language.ClearField("supported_statement_kinds")  # all of them
        self._language = language
        self._catalog = self._new("zetasql.SimpleCatalogProto", name="root")
        self._catalog.builtin_function_options.language_options.CopyFrom(language)

    def add_table(self, dataset: str, name: str, columns: Columns) -> None:
        """Add a table or a view, which a statement may call `DATASET.NAME` with or without quotation."""
        for catalog, shown in ((self._catalog, f"{dataset}.{name}"), (self._dataset(dataset), name)):
            table = catalog.table.add(name=shown)
            for column, type_ in columns.items():
                table.column.add(name=column).type.type_kind = self._kind(type_)

    def add_function(self, dataset: str, name: str, argument: str, body: str) -> Columns:
        """Add a table function with one TIMESTAMP argument; return the columns of its result.

        Raises:
            Rejected: the body is not valid.
        """
        statement = f"CREATE TABLE FUNCTION `{dataset}.{name}`({argument} TIMESTAMP) AS (\n{body}\n)"
        created = self._analyze(
            statement
        ).resolved_create_statement_node.resolved_create_table_function_stmt_node
        for catalog, shown in ((self._catalog, f"{dataset}.{name}"), (self._dataset(dataset), name)):
            function = catalog.custom_tvf.add(name_path=[shown])
            function.type = self._enum(
                "zetasql.FunctionEnums.TableValuedFunctionType", "FIXED_OUTPUT_SCHEMA_TVF"
            )
            function.signature.CopyFrom(created.signature)
        return self._columns(created.output_column_list)

    def add_json_keys(self) -> None:
        """Add the function JSON_KEYS(JSON, INT64), which BigQuery has and this version of ZetaSQL lacks.

        https://cloud.google.com/bigquery/docs/reference/standard-sql/json_functions#json_keys
        """
        function = self._catalog.custom_function.add(name_path=["json_keys"], group="External_function")
        function.mode = self._enum("zetasql.FunctionEnums.Mode", "SCALAR")
        signature = function.signature.add()
        fixed = self._enum("zetasql.SignatureArgumentKind", "ARG_TYPE_FIXED")
        for kind in ("JSON", "INT64"):
            argument = signature.argument.add(kind=fixed, num_occurrences=1)
            argument.type.type_kind = self._kind(kind)
        signature.return_type.kind = fixed
        signature.return_type.type.type_kind = self._kind("ARRAY")
        signature.return_type.type.array_type.element_type.type_kind = self._kind("STRING")

    def query(self, statement: str, parameters: Columns | None = None) -> Columns:
        """Analyze a query; return the columns of its result.

        Args:
            statement: the query.
            parameters: the types of its named parameters.

        Raises:
            Rejected: the query is not valid.
        """
        resolved = self._analyze(statement, parameters or {}).resolved_query_stmt_node
        return self._columns(resolved.output_column_list)

    def _analyze(self, statement: str, parameters: Columns | None = None) -> Any:  # noqa: ANN401 - a message
        request = self._new(f"{SERVICE}.AnalyzeRequest", sql_statement=statement)
        request.simple_catalog.CopyFrom(self._catalog)
        request.options.language_options.CopyFrom(self._language)
        request.options.error_message_mode = self._enum(
            "zetasql.ErrorMessageMode", "ERROR_MESSAGE_MULTI_LINE_WITH_CARET"
        )
        for name, type_ in (parameters or {}).items():
            request.options.query_parameters.add(name=name).type.type_kind = self._kind(type_)
        try:
            return self._send("Analyze", request).resolved_statement
        except grpc.RpcError as error:
            raise Rejected(f"{error.details()}\nin:\n{statement}") from None

    def _columns(self, outputs: Any) -> Columns:  # noqa: ANN401 - repeated messages
        kinds = self._pool.FindEnumTypeByName("zetasql.TypeKind").values_by_number
        names = {output.name: kinds[output.column.type.type_kind].name for output in outputs}
        return {name: kind.removeprefix("TYPE_") for name, kind in names.items()}

    def _dataset(self, name: str) -> Any:  # noqa: ANN401 - a message
        for catalog in self._catalog.catalog:
            if catalog.name == name:
                return catalog
        return self._catalog.catalog.add(name=name)

    def _kind(self, type_: str) -> int:
        return self._enum("zetasql.TypeKind", f"TYPE_{KINDS.get(type_, type_)}")

    def _enum(self, enum: str, value: str) -> int:
        return int(self._pool.FindEnumTypeByName(enum).values_by_name[value].number)

    def _new(self, message: str, /, **fields: object) -> Any:  # noqa: ANN401 - the classes are made at run time
        return GetMessageClass(self._pool.FindMessageTypeByName(message))(**fields)

    def _call(self, method: str, request: str, /, **fields: object) -> Any:  # noqa: ANN401 - a message
        return self._send(method, self._new(f"{SERVICE}.{request}", **fields))

    def _send(self, method: str, request: Any) -> Any:  # noqa: ANN401 - messages
        responses = {
            "GetLanguageOptions": "zetasql.LanguageOptionsProto",
            "Analyze": f"{SERVICE}.AnalyzeResponse",
        }
        response = GetMessageClass(self._pool.FindMessageTypeByName(responses[method]))
        call: Any = self._channel.unary_unary(
            f"/{SERVICE}.ZetaSqlLocalService/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=response.FromString,
        )
        return call(request, timeout=100)
