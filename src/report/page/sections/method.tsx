import type { VNode } from 'preact';
import { DASH, formatBytes, formatMemory, formatNumber } from '../format.js';
import type { Section } from '../parts/section.js';
import type { View } from '../view.js';

/** Machine, model, data and method of the measurement. */
export function methodSection(view: View): Section {
  const { remarks } = view.report;
  return {
    id: 'method',
    title: 'How it was measured',
    content: (
      <>
        {remarks.map((remark, index) => (
          <p key={index}>
            <bdi>{remark}</bdi>
          </p>
        ))}
        <dl class="facts">
          {factsOf(view).map(([name, value]) => (
            <div key={name}>
              <dt>
                <bdi>{name}</bdi>
              </dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
        <p class="note">
          Shares refer to the model as float32. A dash ({DASH}) means not measured or not applicable.
        </p>
      </>
    ),
  };
}

function factsOf({ report, candidates }: View): [name: string, value: string | VNode][] {
  const { machine, model, data } = report;
  return [
    ...(model === undefined ? [] : [['Model', modelWords(model)] as [string, string]]),
    ...(data === undefined ? [] : [['Data', dataWords(data)] as [string, string]]),
    [
      'Machine',
      `${machine.cpu}, ${machine.cores === 1 ? '1 core' : `${formatNumber(machine.cores)} cores`}, ${formatMemory(machine.memoryBytes)}`,
    ],
    ['Node.js', machine.node],
    ...(model === undefined ? [] : [fingerprint('base', model.base)]),
    ...(model?.next === undefined ? [] : [fingerprint('full fine-tune', model.next)]),
    ...candidates.map(({ candidate }) => fingerprint(candidate.name, candidate.next)),
  ];
}

function modelWords({ weights, tensors, bytes, float32Bytes }: NonNullable<View['report']['model']>): string {
  const size = `${formatNumber(weights)} weights in ${formatNumber(tensors)} tensors`;
  return `${size}, ${formatBytes(bytes)} as stored, ${formatBytes(float32Bytes)} as float32`;
}

function dataWords({ source, examples, labels }: NonNullable<View['report']['data']>): string {
  const kind = source === 'test' ? 'test data' : 'validation data, which may have chosen the payload';
  return `${formatNumber(examples)} examples of ${formatNumber(labels.length)} classes, ${kind}`;
}

function fingerprint(name: string, value: string): [string, VNode] {
  return [`Fingerprint of ${name}`, <code>{value}</code>];
}
