/**
 * A recorded history as the SDK takes it. The SDK has a reader of its own, but it fails where npm has
 * put several copies of protobufjs side by side: a message type of one copy is none of the other's.
 * So the copy is used that the SDK's message types are made of.
 */
import { createRequire } from 'node:module';

interface ProtoJson {
  readonly fromJson: (type: unknown, json: unknown, options: object) => unknown;
}
interface Patch {
  readonly patchProtobufRoot: (root: unknown) => { lookupType: (name: string) => unknown };
}

const requireHere = createRequire(import.meta.url);
const requireOf = (name: string, from: NodeJS.Require): NodeJS.Require =>
  createRequire(from.resolve(name));

/** @param json what `temporal workflow show -o json` says. */
export function historyOf(json: unknown): unknown {
  const proto = requireOf('@temporalio/proto', requireOf('@temporalio/worker', requireHere));
  const { fromJson } = proto('protobufjs/ext/protojson') as ProtoJson;
  const { patchProtobufRoot } = proto('@temporalio/proto/lib/patch-protobuf-root') as Patch;
  const type = patchProtobufRoot(proto('@temporalio/proto')).lookupType(
    'temporal.api.history.v1.History',
  );
  return fromJson(type, json, { ignoreUnknownFields: true });
}
