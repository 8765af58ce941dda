import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { SCHEDULERS, type Workflow, writeWorkflow } from '../../cli/emit-workflow.js';
import { command, MAIN, type Outcome, recipe, scratch, writeModel } from './command.js';

const folder = scratch();
const at = (...names: string[]): string => join(folder, ...names);

const sweep = (out: string, ...more: string[]): Promise<Outcome> =>
  command(
    ...['sweep', '--base', at('base'), '--recipe', recipe('points'), '--epochs', '2', '-o', at(out)],
    ...['--kinds', 'hash', '--budgets', '20%', '--seeds', '1,2', ...more],
  );

/** GitHub's own parser of workflows, bundled: as published, it needs a bundler. */
function loadParser(): typeof import('@actions/workflow-parser') {
  const outfile = at('parser.cjs');
  const contents = "export * from '@actions/workflow-parser';";
  const stdin = { contents, resolveDir: import.meta.dirname };
  buildSync({ stdin, bundle: true, platform: 'node', format: 'cjs', outfile });
  return createRequire(import.meta.url)(outfile);
}

/** @returns what GitHub's parser has to say against a workflow */
async function faultsOf(content: string): Promise<string[]> {
  const { parseWorkflow, convertWorkflowTemplate, NoOperationTraceWriter } = loadParser();
  const { context, value } = parseWorkflow({ name: 'workflow.yml', content }, new NoOperationTraceWriter());
  if (value) await convertWorkflowTemplate(context, value);
  return context.errors.getErrors().map(({ message }) => message);
}

/** @returns what GitHub replaces */
const expression = (name: string): string => `\${{ ${name} }}`;

/** Two diffs of each of two seeds, on S3. */
const WORKFLOW: Workflow = {
  jobs: [1, 2].flatMap((seed) =>
    ['hash', 'sparse'].map((kind) => ({ name: `${kind}-20pct-seed${seed}`, after: `fine-tune-seed${seed}` })),
  ),
  out: 'jobs/v2',
  store: 's3://farm/updates',
  version: '1.2.3',
  env: { AWS_REGION: 'eu-west-1' },
};

const TEACHERLESS: Workflow = { ...WORKFLOW, jobs: WORKFLOW.jobs.map(({ name }) => ({ name })) };

describe('sweep --emit', () => {
  beforeAll(async () => {
    await writeModel(at('base'));
    mkdirSync(at('node_modules', '.bin'), { recursive: true });
    const shim = `#!/bin/sh\nexec ${process.execPath} ${MAIN} "$@"\n`;
    writeFileSync(at('node_modules', '.bin', 'neural-diff'), shim, { mode: 0o755 });
    expect((await sweep('local')).status).toBe(0);
  });

  test.each(SCHEDULERS)('%s writes jobs, their full fine-tunes and one workflow', async (scheduler) => {
    const { status, stdout } = await sweep(scheduler, '--emit', scheduler, '--store', at('store'), '--json');
    expect(status).toBe(0);
    const { files, workflow } = JSON.parse(stdout);
    const written = readdirSync(at(scheduler)).map((name) => at(scheduler, name));
    expect([...files, workflow].sort()).toEqual(written.sort());
    expect(files.slice(0, 2)).toEqual([1, 2].map((seed) => at(scheduler, `fine-tune-seed${seed}.job.json`)));
    expect(files).toHaveLength(4);
    expect(readFileSync(workflow, 'utf8')).toContain(at('store'));
  });

  test('the tasks for SkyPilot, run by their machines, make the payloads of a local sweep', async () => {
    const documents = parseAllDocuments(readFileSync(at('skypilot', 'skypilot.yaml'), 'utf8'));
    const [header, ...tasks] = documents.map((document) => document.toJS());
    expect(header).toEqual({ name: 'skypilot' });
    expect(tasks.map(({ name, num_nodes }) => [name, num_nodes])).toEqual([
      ['fine-tunes', 2],
      ['diffs', 2],
    ]);
    for (const { run, envs } of tasks)
      for (const rank of ['0', '1']) {
        const env = { ...process.env, ...envs, SKYPILOT_NODE_RANK: rank, SKYPILOT_NUM_NODES: '2' };
        execFileSync('sh', ['-c', run], { cwd: at('skypilot'), env, stdio: 'ignore' });
      }
    for (const file of readdirSync(at('local')).filter((name) => name.endsWith('.ndiff'))) {
      const made = at('skypilot', `result-${file.replace('.ndiff', '')}`, 'payload.ndiff');
      expect(readFileSync(made), file).toEqual(readFileSync(at('local', file)));
    }
  });

  test('a machine on which a job failed says so', () => {
    const [, { run }] = parseAllDocuments(readFileSync(at('skypilot', 'skypilot.yaml'), 'utf8')).map(
      (document) => document.toJS(),
    );
    const env = { ...process.env, STORE: at('empty'), SKYPILOT_NODE_RANK: '0', SKYPILOT_NUM_NODES: '2' };
    const go = () => execFileSync('sh', ['-c', run], { cwd: at('skypilot'), env, stdio: 'ignore' });
    expect(go).toThrow();
  });
});

test('a workflow for GitHub passes its own parser, which finds faults', async () => {
  const { text } = writeWorkflow('github-matrix', WORKFLOW);
  expect(await faultsOf(text)).toEqual([]);
  expect(await faultsOf(writeWorkflow('github-matrix', TEACHERLESS).text)).toEqual([]);
  expect(await faultsOf(text.replace('needs: fine-tunes', 'needs: fine-tune'))).toHaveLength(1);
  expect(await faultsOf(text.replaceAll('matrix.job', 'matrix'))).not.toEqual(await faultsOf('on: push'));
  expect(await faultsOf(text.replace('runs-on', 'run-on'))).not.toEqual([]);
});

test('a workflow for GitHub runs diffs after the full fine-tunes, with the secrets of the store', () => {
  const { env, jobs } = parse(writeWorkflow('github-matrix', WORKFLOW).text);
  expect(env).toEqual({
    ...{ JOBS: 'jobs/v2', STORE: 's3://farm/updates', AWS_REGION: 'eu-west-1' },
    AWS_ACCESS_KEY_ID: expression('secrets.AWS_ACCESS_KEY_ID'),
    AWS_SECRET_ACCESS_KEY: expression('secrets.AWS_SECRET_ACCESS_KEY'),
  });
  expect(jobs['fine-tunes'].strategy.matrix.job).toEqual(['fine-tune-seed1', 'fine-tune-seed2']);
  expect(jobs.diffs.strategy.matrix.job).toEqual(WORKFLOW.jobs.map(({ name }) => name));
  expect([jobs.diffs.needs, jobs.diffs['runs-on']]).toEqual(['fine-tunes', 'ubuntu-latest']);
  const runs = jobs.diffs.steps.flatMap(({ run }: { run?: string }) => run ?? []);
  expect(runs).toEqual([
    expect.stringMatching(/neural-diff@1\.2\.3 .*@aws-sdk\/client-s3/),
    `npx --no-install neural-diff job run "$JOBS/${expression('matrix.job')}.job.json" --store "$STORE" -o result`,
  ]);
  const inFolder = parse(writeWorkflow('github-matrix', { ...WORKFLOW, store: '/mnt/farm', env: {} }).text);
  expect(inFolder.env).toEqual({ JOBS: 'jobs/v2', STORE: '/mnt/farm' });
  expect(inFolder.jobs.diffs['runs-on']).toBe('self-hosted');
});

test('more jobs than GitHub runs in a matrix are refused', () => {
  const jobs = Array.from({ length: 257 }, (_, i) => ({ name: `hash-${i}` }));
  expect(() => writeWorkflow('github-matrix', { ...WORKFLOW, jobs })).toThrow('at most 256 jobs');
  expect(() => writeWorkflow('argo', { ...WORKFLOW, jobs })).not.toThrow();
});

test('a workflow for Argo runs the diffs of a seed after its full fine-tune', () => {
  const { text, start } = writeWorkflow('argo', { ...WORKFLOW, out: 'jobs/V2 (large)' });
  const { apiVersion, kind, metadata, spec } = parse(text);
  expect([apiVersion, kind]).toEqual(['argoproj.io/v1alpha1', 'Workflow']);
  expect(metadata).toEqual({ generateName: 'v2-large-' });
  expect(spec.volumes).toEqual([{ name: 'jobs', configMap: { name: 'v2-large' } }]);
  const [all, job] = spec.templates;
  expect(all.name).toBe(spec.entrypoint);
  type Task = { name: string; template: string; dependencies?: string[]; withItems: string[] };
  const tasks = all.dag.tasks.map(({ name, template, dependencies, withItems }: Task) => {
    expect([name, template]).toEqual([expect.stringMatching(/^[a-zA-Z0-9][-a-zA-Z0-9]*$/), job.name]);
    return [name, dependencies ?? [], withItems];
  });
  expect(tasks).toEqual(
    [1, 2].flatMap((seed) => [
      [`fine-tune-seed${seed}`, [], [`fine-tune-seed${seed}`]],
      [
        `diffs-seed${seed}`,
        [`fine-tune-seed${seed}`],
        [`hash-20pct-seed${seed}`, `sparse-20pct-seed${seed}`],
      ],
    ]),
  );
  const { env, envFrom, volumeMounts, args } = job.container;
  expect(env).toEqual([
    { name: 'STORE', value: 's3://farm/updates' },
    { name: 'AWS_REGION', value: 'eu-west-1' },
  ]);
  expect(envFrom).toEqual([{ secretRef: { name: 'neural-diff-store' } }]);
  expect(volumeMounts).toEqual([{ name: 'jobs', mountPath: '/jobs' }]);
  expect(args[0]).toContain('job run "/jobs/{{inputs.parameters.job}}.job.json" --store "$STORE"');
  expect(start[0]).toBe("kubectl create configmap v2-large --from-file='jobs/V2 (large)'");
});

test('a store in a folder is a volume for Argo; without full fine-tunes there is one task', () => {
  const { spec } = parse(writeWorkflow('argo', { ...TEACHERLESS, store: '/mnt/farm', env: {} }).text);
  const claim = { name: 'store', persistentVolumeClaim: { claimName: 'neural-diff-store' } };
  expect(spec.volumes[1]).toEqual(claim);
  expect(spec.templates[1].container.volumeMounts[1]).toEqual({ name: 'store', mountPath: '/mnt/farm' });
  expect(spec.templates[1].container.envFrom).toBeUndefined();
  expect(spec.templates[0].dag.tasks).toHaveLength(1);
  expect(spec.templates[0].dag.tasks[0].withItems).toEqual(TEACHERLESS.jobs.map(({ name }) => name));
});
