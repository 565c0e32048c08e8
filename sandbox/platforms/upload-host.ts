import type { SandboxContext } from '../context.ts';
import { type Call, jsonReply, type Operation, Refusal, type Reply } from '../protocol.ts';
import { type Container, type Containers, sniffVideo } from './containers.ts';
import { speaksFor } from './graph.ts';
import type { OperationName } from './index.ts';

export const maxUploadBytes = 300 * 1024 * 1024;

/** The host that Meta's large videos are sent to: each request brings all that is missing, and what comes before a break stays. */
export interface UploadHost {
  operation: Operation;
  /** How far the upload of a container has come, as a read of the container tells it. */
  progressOf(container: Container): Promise<Record<string, unknown>>;
}

/** https://developers.facebook.com/docs/instagram-platform/content-publishing/resumable-uploads */
export function createUploadHost(
  context: SandboxContext,
  containers: Containers,
  platform: 'instagram',
): UploadHost {
  const uploadOf = ({ id }: Container) => context.media.upload(`${platform} ${id}`);
  const name: OperationName = `${platform}.video.upload`;

  const operation: Operation = {
    name,
    method: 'post',
    path: '/ig-api-upload/:version/:id',
    isStreamed: true,
    subject: (call) => containers.get(call.params.id ?? '')?.owner,
    async handle(call) {
      const container = containers.get(call.params.id ?? '');
      if (!container || !speaksFor(call, container.owner)) {
        throw refusal(404, 'NotFoundError', 'The upload session does not exist');
      }
      if (!/^OAuth /.test(call.headers.authorization ?? '')) {
        throw refusal(401, 'NotAuthorizedError', 'The header Authorization must begin with OAuth');
      }
      if (container.source.from !== 'upload' || containers.statusOf(container) !== 'IN_PROGRESS') {
        throw refusal(400, 'ProcessingFailedError', 'The container takes no upload');
      }
      return context.serialize(`${platform} upload ${container.id}`, () => takeVideo(call, container));
    },
  };

  async function takeVideo(call: Call, container: Container): Promise<Reply> {
    const upload = uploadOf(container);
    const size = Number(call.headers.file_size);
    if (!Number.isInteger(size) || size < 1 || size > maxUploadBytes) {
      throw refusal(400, 'ProcessingFailedError', 'The header file_size is missing or too large');
    }
    const offset = Number(call.headers.offset ?? Number.NaN);
    if (offset !== (await upload.size())) {
      throw refusal(400, 'OffsetInvalidError', 'Request starting offset is invalid');
    }
    try {
      for await (const chunk of call.stream) await upload.append(chunk as Uint8Array);
    } catch {
      // The client is gone; what it sent is there.
    }
    if ((await upload.size()) !== size) {
      throw refusal(400, 'PartialRequestError', 'Partial request (did not match length of file)');
    }
    const media = await upload.finish('video/mp4');
    const bytes = await context.media.read(media.sha256);
    const contentType = bytes && sniffVideo(bytes);
    if (!contentType) throw refusal(400, 'ProcessingFailedError', 'Request processing failed');
    await containers.finishUpload(container, { ...media, contentType });
    return jsonReply(200, { success: true, message: 'Upload successful.' });
  }

  return {
    operation,
    async progressOf(container) {
      if (container.result) return { uploading_phase: { status: 'complete' } };
      const bytes = await uploadOf(container).size();
      const status = bytes > 0 ? 'in_progress' : 'not_started';
      return { uploading_phase: { status, bytes_transferred: bytes } };
    },
  };
}

/** This host has words of its own. */
const refusal = (status: number, type: string, message: string): Refusal =>
  new Refusal(jsonReply(status, { debug_info: { retriable: false, type, message } }));
