import type { FrameMessage } from './messages.js';

/** Frames that are shown: 10 seconds. */
const SHOWN = 250;

/** Frames that wait which fill the height. */
const MOST_WAITING = 10;

/** Draws what the last frames were: a bar each, full or fast, with the frames that waited below. */
export interface Strip {
  add(frame: FrameMessage): void;
  draw(): void;
}

export function createStrip(canvas: HTMLCanvasElement): Strip {
  const frames: FrameMessage[] = [];
  let isAsked = false;
  const draw = (): void => {
    isAsked = false;
    const ratio = devicePixelRatio;
    canvas.width = Math.round(canvas.clientWidth * ratio);
    canvas.height = Math.round(canvas.clientHeight * ratio);
    drawFrames(canvas, frames);
  };
  return {
    add(frame) {
      frames.push(frame);
      if (frames.length > SHOWN) frames.shift();
      if (!isAsked) requestAnimationFrame(draw);
      isAsked = true;
    },
    draw,
  };
}

function drawFrames(canvas: HTMLCanvasElement, frames: readonly FrameMessage[]): void {
  const context = canvas.getContext('2d') as CanvasRenderingContext2D;
  const style = getComputedStyle(canvas);
  const colour = (name: string): string => style.getPropertyValue(`--${name}`);
  const width = canvas.width / SHOWN;
  const branches = 0.7 * canvas.height;
  const edge = (i: number): number => Math.round((SHOWN - frames.length + i) * width);
  frames.forEach(({ branch, waiting, word, updates }, i) => {
    const [left, right] = [edge(i), edge(i + 1)];
    const bar = (name: string, top: number, height: number): void => {
      context.fillStyle = colour(name);
      context.fillRect(left, top, Math.max(1, right - left), height);
    };
    bar(branch, branch === 'full' ? 0 : branches / 2, branch === 'full' ? branches : branches / 2);
    if (word !== undefined) bar('text', 0, branches);
    const share = Math.min(1, waiting / MOST_WAITING);
    bar('wrong', canvas.height - share * 0.25 * canvas.height, share * 0.25 * canvas.height);
    if (i > 0 && updates !== frames[i - 1]?.updates) bar('right', 0, canvas.height);
  });
}
