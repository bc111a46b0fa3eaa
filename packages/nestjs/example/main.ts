import 'reflect-metadata'
import { NestFactory } from '@nestjs/core'
import { AppModule } from './app.js'

const app = await NestFactory.createApplicationContext(AppModule) // or create(), for one with HTTP
app.enableShutdownHooks() // SIGTERM and Ctrl-C drain the workers, then close the connection
