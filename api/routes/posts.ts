import { etagOf } from '../etag.ts';
import { Problem } from '../problems.ts';
import { type Route, tenantRoute } from '../route.ts';
import { id, pageQuery, pageSchema } from '../schemas/common.ts';
import {
  briefSchema,
  createdPostSchema,
  listedPostSchema,
  newPostSchema,
  possibleDuplicatesSchema,
  postAnswerSchema,
  postChangeSchema,
  postListQuery,
  postSchema,
  revisionSchema,
  timelineSchema,
  validationSchema,
} from '../schemas/posts.ts';
import { createPost, validatePost } from '../services/create-post.ts';
import { editPost } from '../services/edit-post.ts';
import {
  readBrief,
  readPossibleDuplicates,
  readPost,
  readPosts,
  readRevisions,
  readTimeline,
} from '../services/read-posts.ts';
import { viewPost } from '../views.ts';
import { z } from '../zod.ts';

const tag = 'Posts';
const params = z.strictObject({ postId: id() });
const etag = { ETag: 'The version, for If-Match' };

export const postRoutes: readonly Route[] = [
  tenantRoute({
    operationId: 'createPost',
    method: 'post',
    path: '/posts',
    tag,
    summary: 'Create a post, and submit it if wanted',
    description: 'Everything that is wrong is named at once. Media of visual types may follow later.',
    body: newPostSchema,
    answer: {
      status: 201,
      description: 'The post',
      schema: createdPostSchema,
      headers: { Location: 'Its address', ...etag },
    },
    idempotencyKey: 'required',
    problems: ['invalid-post', 'no-eligible-decider', 'due-time-passed'],
    handle: async ({ context, body }) => {
      const { id: postId } = await createPost(context, body);
      const whole = await readPost(context, postId);
      const headers = { Location: `/api/v1/posts/${postId}`, ETag: etagOf(whole.post.row_version) };
      const possibleDuplicates = await readPossibleDuplicates(context, postId);
      return { status: 201, body: { ...viewPost(whole, context.caller), possibleDuplicates }, headers };
    },
  }),
  tenantRoute({
    operationId: 'validatePost',
    method: 'post',
    path: '/posts/validate',
    tag,
    summary: 'Ask what is wrong with a post before creating it',
    description:
      'Takes what creating a post takes, names everything that it would refuse, target by target, and writes nothing.',
    body: newPostSchema,
    answer: { status: 200, description: 'What is wrong, if anything', schema: validationSchema },
    handle: async ({ context, body }) => {
      const errors = await validatePost(context, body);
      return { status: 200, body: { valid: errors.length === 0, errors } };
    },
  }),
  tenantRoute({
    operationId: 'listPosts',
    method: 'get',
    path: '/posts',
    tag,
    summary: 'List posts, newest first',
    query: postListQuery,
    answer: {
      status: 200,
      description: 'A page of posts',
      schema: pageSchema(listedPostSchema).openapi('PostPage'),
    },
    handle: async ({ context, query }) => ({ status: 200, body: await readPosts(context, query) }),
  }),
  tenantRoute({
    operationId: 'getPost',
    method: 'get',
    path: '/posts/{postId}',
    readsPost: true,
    tag,
    summary: 'Read a post: where it stands, what it waits for, what it says',
    params,
    answer: { status: 200, description: 'The post', schema: postSchema, headers: etag },
    problems: ['not-found'],
    handle: async ({ context, params: { postId } }) => {
      const whole = await readPost(context, postId);
      return {
        status: 200,
        body: viewPost(whole, context.caller),
        headers: { ETag: etagOf(whole.post.row_version) },
      };
    },
  }),
  tenantRoute({
    operationId: 'updatePost',
    method: 'patch',
    path: '/posts/{postId}',
    tag,
    summary: 'Edit a post',
    description:
      'An edit of a submitted post opens exactly the gates again whose inputs it changes. Designers may change the media alone.',
    params,
    body: postChangeSchema,
    answer: {
      status: 200,
      description: 'Where the post stands now',
      schema: postAnswerSchema,
      headers: { ETag: 'The new version; absent where it is to be read again' },
    },
    ifMatch: true,
    problems: [
      'not-found',
      'invalid-post',
      'due-time-passed',
      'targets-fixed',
      'post-closed',
      'already-publishing',
      'stale-revision',
      'not-submitted',
      'outcome-unknown',
    ],
    handle: async ({ context, params: { postId }, ifMatch, body }) => {
      requireMediaOnly(context.caller.role, body);
      const { answer, version } = await editPost(context, postId, ifMatch, body);
      return { status: 200, body: answer, ...(version !== null && { headers: { ETag: etagOf(version) } }) };
    },
  }),
  tenantRoute({
    operationId: 'listPossibleDuplicates',
    method: 'get',
    path: '/posts/{postId}/duplicates',
    tag,
    summary: 'List posts that say the same on a profile of this one',
    params,
    answer: { status: 200, description: 'What it may repeat', schema: possibleDuplicatesSchema },
    problems: ['not-found'],
    handle: async ({ context, params: { postId } }) => ({
      status: 200,
      body: await readPossibleDuplicates(context, postId),
    }),
  }),
  tenantRoute({
    operationId: 'listPostRevisions',
    method: 'get',
    path: '/posts/{postId}/revisions',
    tag,
    summary: "List a post's revisions, newest first",
    params,
    query: z.strictObject(pageQuery),
    answer: {
      status: 200,
      description: 'A page of revisions',
      schema: pageSchema(revisionSchema).openapi('RevisionPage'),
    },
    problems: ['not-found'],
    handle: async ({ context, params: { postId }, query }) => ({
      status: 200,
      body: await readRevisions(context, postId, query),
    }),
  }),
  tenantRoute({
    operationId: 'getPostTimeline',
    method: 'get',
    path: '/posts/{postId}/timeline',
    tag,
    summary: "Read a post's story: events, decisions, publications",
    params,
    query: z.strictObject(pageQuery),
    answer: { status: 200, description: 'The story', schema: timelineSchema },
    problems: ['not-found'],
    handle: async ({ context, params: { postId }, query }) => ({
      status: 200,
      body: await readTimeline(context, postId, query),
    }),
  }),
  tenantRoute({
    operationId: 'getPostBrief',
    method: 'get',
    path: '/posts/{postId}/brief',
    tag,
    summary: "Read the designer's brief",
    params,
    answer: { status: 200, description: 'The brief', schema: briefSchema },
    problems: ['not-found'],
    handle: async ({ context, params: { postId } }) => ({
      status: 200,
      body: await readBrief(context, postId),
    }),
  }),
];

function requireMediaOnly(role: string, change: Record<string, unknown>): void {
  if (role !== 'graphic_designer') return;
  const others = Object.keys(change).filter((field) => field !== 'media' && change[field] !== undefined);
  if (others.length > 0)
    throw new Problem('forbidden', `A graphic_designer changes the media alone, not ${others.join(', ')}`);
}
