/** What the script of the server's page has at its top level, as far as this page changes or uses it. */

interface Shown {
  width: number;
  height: number;
  faces: import("duchenne").Face[];
}

declare let turn: number;
declare let release: () => void;
declare const stage: HTMLElement;
declare const stopButton: HTMLButtonElement;
declare const saveButtons: HTMLButtonElement[];

declare function begin(): number;
declare function say(text: string, alarm?: boolean): void;
declare function show(result: Shown): void;
declare function recognise(blob: Blob): Promise<Shown>;
declare function follow(video: HTMLVideoElement, mine: number): Promise<void>;
declare function showVideo(file: File): Promise<void>;
declare function resultsAsJson(): string;
declare function resultsAsCsv(): string;
declare function count(number: number): string;
declare function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name, properties?: Record<string, unknown>, children?: (Node | string)[],
): HTMLElementTagNameMap[Name];
