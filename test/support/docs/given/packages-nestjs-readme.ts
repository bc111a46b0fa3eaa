export { Test } from '@nestjs/testing'
export { WARREN } from '@warren/nestjs'
export { vi } from 'vitest'
export declare class AppModule {}
