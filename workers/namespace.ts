/**
 * The namespace as we want it, whoever made the server's state file: a development server sets
 * retention and search attributes only when it makes the file, and then keeps histories for a day.
 */
import { isGrpcServiceError, type Client } from '@temporalio/client';
import { NAMESPACE } from '../model/cold/names.ts';

const CALL_MS = 5_000;
/** gRPC status codes: https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
const NOT_FOUND = 5;
const ALREADY_EXISTS = 6;

function statusOf(error: unknown): number | undefined {
  return isGrpcServiceError(error) ? error.code : undefined;
}

const DAY_S = 86_400;

type Request = Parameters<Client['workflowService']['registerNamespace']>[0];
type Duration = NonNullable<Request['workflowExecutionRetentionPeriod']>;

/** A protobuf duration. The types ask for a Long of another package; the encoder takes a number. */
const durationOf = (seconds: number): Duration => ({
  seconds: seconds as unknown as Long,
  nanos: 0,
});
type Long = NonNullable<Duration['seconds']>;

/**
 * Makes the namespace if it is not there, and sets its retention. Idempotent.
 * @throws what the server said, or a deadline; call it again.
 */
export async function reconcileNamespace(client: Client, retentionDays: number): Promise<void> {
  const service = client.workflowService;
  const bounded = <T>(work: () => Promise<T>): Promise<T> =>
    client.withDeadline(Date.now() + CALL_MS, work);
  const workflowExecutionRetentionTtl = durationOf(retentionDays * DAY_S);
  try {
    const { config } = await bounded(() => service.describeNamespace({ namespace: NAMESPACE }));
    if (Number(config?.workflowExecutionRetentionTtl?.seconds) === retentionDays * DAY_S) return;
    await bounded(() =>
      service.updateNamespace({ namespace: NAMESPACE, config: { workflowExecutionRetentionTtl } }),
    );
  } catch (error) {
    if (statusOf(error) !== NOT_FOUND) throw error;
    await bounded(() =>
      service.registerNamespace({
        namespace: NAMESPACE,
        description: 'the cold plane of Pilotlight',
        workflowExecutionRetentionPeriod: workflowExecutionRetentionTtl,
      }),
    ).catch((raced: unknown) => {
      if (statusOf(raced) !== ALREADY_EXISTS) throw raced;
    });
  }
}
