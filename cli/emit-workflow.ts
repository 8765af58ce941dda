import { basename, relative, resolve, sep } from 'node:path';
import { Document } from 'yaml';
import { UsageError } from './exit-codes.js';

/** Schedulers for which a sweep is written. */
export const SCHEDULERS = ['github-matrix', 'skypilot', 'argo'] as const;

export type Scheduler = (typeof SCHEDULERS)[number];

/** A job file of a folder. */
export interface JobFile {
  /** Its name without `.job.json`. */
  readonly name: string;
  /** Name of the job of its full fine-tune, which is to run first. */
  readonly after?: string | undefined;
}

/** What a workflow runs, and where. */
export interface Workflow {
  readonly jobs: readonly JobFile[];
  /** Folder of the job files. */
  readonly out: string;
  readonly store: string;
  /** Version of this package. */
  readonly version: string;
  /** Variables of the store that are no secrets, by name. */
  readonly env: Readonly<Record<string, string>>;
}

/** A file to write next to the jobs. */
export interface WorkflowFile {
  readonly name: string;
  readonly text: string;
  /** Commands that start it, as lines for people. */
  readonly start: readonly string[];
}

/** Most jobs of a matrix on GitHub. */
const MATRIX_JOBS = 256;

/** The job of a matrix that a runner has. */
const MATRIX_JOB = `\${{ matrix.job }}`;

/** Machines that SkyPilot starts, at most; the file says how many. */
const NODES = 4;

const NODE_VERSION = 22;
const SECRETS = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'] as const;

/** Secret of a cluster, with the variables of the store; for a folder, the claim of its volume. */
const STORE_NAME = 'neural-diff-store';

/**
 * Writes jobs for a scheduler, full fine-tunes before the diffs that need them.
 *
 * @throws UsageError for more jobs than the scheduler takes
 */
export function writeWorkflow(scheduler: Scheduler, workflow: Workflow): WorkflowFile {
  if (scheduler === 'github-matrix') return githubMatrix(workflow);
  return scheduler === 'skypilot' ? skyPilot(workflow) : argo(workflow);
}

function githubMatrix(workflow: Workflow): WorkflowFile {
  const { out } = workflow;
  const { fineTunes, diffs } = stagesOf(workflow.jobs);
  const most = Math.max(fineTunes.length, diffs.length);
  if (most > MATRIX_JOBS)
    throw new UsageError(`Expected at most ${MATRIX_JOBS} jobs with --emit github-matrix, got ${most}`);
  const folder = relative('', resolve(out)).split(sep).join('/');
  const secrets = SECRETS.map((name) => [name, `\${{ secrets.${name} }}`]);
  const upload = { uses: 'actions/upload-artifact@v4', with: { name: MATRIX_JOB, path: 'result' } };
  const document = {
    name: `neural-diff ${basename(folder)}`,
    on: { workflow_dispatch: {} },
    permissions: { contents: 'read' },
    env: {
      ...{ JOBS: folder, STORE: storeOf(workflow), ...workflow.env },
      ...(isOnS3(workflow) && Object.fromEntries(secrets)),
    },
    jobs: {
      ...(fineTunes.length > 0 && { 'fine-tunes': githubJob(workflow, fineTunes) }),
      diffs: {
        ...(fineTunes.length > 0 && { needs: 'fine-tunes' }),
        ...githubJob(workflow, diffs, [upload]),
      },
    },
  };
  const name = 'github-matrix.yml';
  const comment = [
    `Copy this file to .github/workflows, and commit it with the job files in ${folder}.`,
    'Add packages that the recipe imports to each install.',
  ].join('\n');
  const start = [`cp ${quoted(`${out}/${name}`)} .github/workflows`, `gh workflow run ${name}`];
  return { name, text: textOf(document, comment), start };
}

function githubJob(workflow: Workflow, names: readonly string[], more: readonly object[] = []): object {
  return {
    'runs-on': isOnS3(workflow) ? 'ubuntu-latest' : 'self-hosted',
    strategy: { 'fail-fast': false, matrix: { job: names } },
    steps: [
      { uses: 'actions/checkout@v4' },
      { uses: 'actions/setup-node@v4', with: { 'node-version': NODE_VERSION } },
      { run: installOf(workflow) },
      {
        run: `npx --no-install neural-diff job run "$JOBS/${MATRIX_JOB}.job.json" --store "$STORE" -o result`,
      },
      ...more,
    ],
  };
}

function skyPilot(workflow: Workflow): WorkflowFile {
  const { fineTunes, diffs } = stagesOf(workflow.jobs);
  const secrets = Object.fromEntries(SECRETS.map((name) => [name, null]));
  const taskOf = (name: string, jobs: readonly string[]): object => ({
    name,
    workdir: '.',
    num_nodes: Math.min(NODES, jobs.length),
    resources: {
      cpus: '4+',
      image_id: `docker:node:${NODE_VERSION}`,
      job_recovery: { max_restarts_on_errors: 3 },
    },
    envs: { STORE: storeOf(workflow), ...workflow.env },
    ...(isOnS3(workflow) && { secrets }),
    setup: `${installOf(workflow)}\n`,
    run: runByRank(jobs),
  });
  const name = 'skypilot.yaml';
  const tasks = [
    ...(fineTunes.length > 0 ? [taskOf('fine-tunes', fineTunes)] : []),
    taskOf('diffs', diffs),
  ].map((task) => textOf(task));
  const flags = isOnS3(workflow) ? SECRETS.map((secret) => ` --secret ${secret}`).join('') : '';
  const start = [`cd ${quoted(workflow.out)} && sky jobs launch${flags} ${name}`];
  const comment =
    'Each task shares its jobs among num_nodes machines. Add packages that the recipe imports to each setup.';
  const header = textOf({ name: nameOf(workflow.out) }, comment);
  return { name, text: [header, ...tasks].join('---\n'), start };
}

/** @returns commands that run each job on one of the machines of a task */
function runByRank(jobs: readonly string[]): string {
  return [
    'place=0; failed=0',
    `for job in ${jobs.join(' ')}; do`,
    '  if [ $((place % SKYPILOT_NUM_NODES)) -eq "$SKYPILOT_NODE_RANK" ]; then',
    '    npx --no-install neural-diff job run "$job.job.json" --store "$STORE" -o "result-$job" --force || failed=1',
    '  fi',
    '  place=$((place + 1))',
    'done',
    'exit $failed',
    '',
  ].join('\n');
}

function argo(workflow: Workflow): WorkflowFile {
  const { fineTunes, diffs } = stagesOf(workflow.jobs);
  const taskOf = (name: string, jobs: readonly string[], more: object = {}): object => ({
    name,
    ...more,
    template: 'job',
    arguments: { parameters: [{ name: 'job', value: '{{item}}' }] },
    withItems: jobs,
  });
  const needing = (fineTune: string): string[] =>
    workflow.jobs.filter(({ after }) => after === fineTune).map(({ name }) => name);
  const tasks = fineTunes.flatMap((name) => [
    taskOf(name, [name]),
    taskOf(name.replace('fine-tune', 'diffs'), needing(name), { dependencies: [name] }),
  ]);
  const volumes = argoVolumes(workflow);
  const document = {
    apiVersion: 'argoproj.io/v1alpha1',
    kind: 'Workflow',
    metadata: { generateName: `${nameOf(workflow.out)}-` },
    spec: {
      entrypoint: 'all',
      volumes: volumes.map(({ volume }) => volume),
      templates: [
        { name: 'all', dag: { tasks: fineTunes.length > 0 ? tasks : [taskOf('diffs', diffs)] } },
        argoJob(workflow, volumes),
      ],
    },
  };
  const name = 'argo.yaml';
  const comment =
    'Add packages that the recipe imports to the install. An image that has all of them starts faster.';
  const start = [
    `kubectl create configmap ${nameOf(workflow.out)} --from-file=${quoted(workflow.out)}`,
    ...(isOnS3(workflow) ? [`kubectl create secret generic ${STORE_NAME} --from-env-file=FILE`] : []),
    `argo submit ${quoted(`${workflow.out}/${name}`)}`,
  ];
  return { name, text: textOf(document, comment), start };
}

interface ArgoVolume {
  readonly volume: { readonly name: string };
  readonly mountPath: string;
}

/** @returns the volume of the job files, and that of a store in a folder */
function argoVolumes(workflow: Workflow): ArgoVolume[] {
  const jobs = { volume: { name: 'jobs', configMap: { name: nameOf(workflow.out) } }, mountPath: '/jobs' };
  if (isOnS3(workflow)) return [jobs];
  const volume = { name: 'store', persistentVolumeClaim: { claimName: STORE_NAME } };
  return [jobs, { volume, mountPath: storeOf(workflow) }];
}

function argoJob(workflow: Workflow, volumes: readonly ArgoVolume[]): object {
  const run =
    'npx --no-install neural-diff job run "/jobs/{{inputs.parameters.job}}.job.json" --store "$STORE" -o result';
  const env = Object.entries({ STORE: storeOf(workflow), ...workflow.env });
  return {
    name: 'job',
    inputs: { parameters: [{ name: 'job' }] },
    retryStrategy: { limit: '3', retryPolicy: 'Always' },
    container: {
      name: 'main',
      image: `node:${NODE_VERSION}`,
      command: ['sh', '-ec'],
      args: [`cd "$(mktemp -d)"\n${installOf(workflow)}\n${run}\n`],
      env: env.map(([name, value]) => ({ name, value })),
      ...(isOnS3(workflow) && { envFrom: [{ secretRef: { name: STORE_NAME } }] }),
      volumeMounts: volumes.map(({ volume: { name }, mountPath }) => ({ name, mountPath })),
    },
  };
}

/** @returns names of the full fine-tunes and of the diffs, in their order */
function stagesOf(jobs: readonly JobFile[]): { fineTunes: string[]; diffs: string[] } {
  const fineTunes = [...new Set(jobs.flatMap(({ after }) => after ?? []))];
  return { fineTunes, diffs: jobs.map(({ name }) => name).filter((name) => !fineTunes.includes(name)) };
}

function installOf(workflow: Workflow): string {
  const client = isOnS3(workflow) ? ' @aws-sdk/client-s3@3 @aws-sdk/lib-storage@3' : '';
  return `npm install --no-save neural-diff@${workflow.version} @tensorflow/tfjs@4 @tensorflow/tfjs-backend-wasm@4${client}`;
}

/** @returns the address of the store on each machine, which has a folder at the same path */
function storeOf(workflow: Workflow): string {
  return isOnS3(workflow) ? workflow.store : resolve(workflow.store);
}

function isOnS3({ store }: Workflow): boolean {
  return store.startsWith('s3://');
}

/** @returns a word of a shell */
function quoted(text: string): string {
  return /^[\w./@:+=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** @returns the name of a folder as one of a cluster's objects */
function nameOf(folder: string): string {
  const name = basename(resolve(folder))
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-');
  return name.replace(/^-+|-+$/g, '').slice(0, 50) || 'neural-diff-jobs';
}

function textOf(value: object, comment?: string): string {
  const document = new Document(value, { aliasDuplicateObjects: false });
  if (comment !== undefined) document.commentBefore = comment.replace(/^/gm, ' ');
  return document.toString({ lineWidth: 0 });
}
